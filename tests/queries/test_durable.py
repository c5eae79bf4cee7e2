"""Queries in a runtime that is stopped in the middle of one and started again."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from loom import Agent, Context, Event, Loom, on
from loom.queries import Query, absence, held, join, query_agent, sequence, threshold, when
from loom.testing import VirtualClock, new_loom, run, run_until_idle, virtual_time
from tests.queries.oracles import oracle_of
from tests.queries.traces import START, Input, traces


class Guard(Agent):
    seen: list[list[str]] = []

    @when(sequence("door", "motion", within=10))
    async def intruder(self, event: Event, ctx: Context) -> None:
        self.seen.append([e["id"] for e in event.payload["events"]])

    @when(threshold("motion", 3, window=60, by="payload.room"))
    async def busy(self, event: Event, ctx: Context) -> None:
        self.seen.append([event.payload["key"], *(e["id"] for e in event.payload["events"])])


def guard(loom: Loom) -> Guard:
    found = loom.agent("Guard").instance
    assert isinstance(found, Guard)
    return found


@virtual_time
async def test_what_was_half_found_before_a_restart_is_found_after_it(tmp_path: Path) -> None:
    parts = [
        ("door", "d1"),
        ("motion", "m1"),
        ("motion", "m2"),
        ("door", "d2"),
        ("motion", "m3"),
        ("motion", "m4"),
    ]
    for topic, name in parts:  # a life of the runtime for each
        async with new_loom(Guard, data=tmp_path / "data") as loom:
            await loom.publish(topic, {"room": "hall"}, id=name)
            await loom.publish(topic, {"room": "hall"}, id=name)  # twice
            await run_until_idle(loom, 1)
            seen = guard(loom).seen
    assert seen[0] == ["d1", "m1"]
    assert sorted(seen[1:]) == [["d2", "m3"], ["hall", "m1", "m2", "m3"]]


class Watch(Agent):
    seen: list[tuple[str, int]] = []

    @when(absence("door.opened", "door.closed", within=600))
    async def open_for_long(self, event: Event, ctx: Context) -> None:
        self.seen.append((event.payload["events"][0]["id"], ctx.now_ms()))

    @when(held("freezer.temp", "payload > -10", seconds=300))
    async def warm(self, event: Event, ctx: Context) -> None:
        self.seen.append((event.payload["events"][0]["id"], ctx.now_ms()))


@virtual_time
async def test_what_is_pending_is_decided_by_the_clock_of_a_later_life(tmp_path: Path) -> None:
    clock = asyncio.get_running_loop().clock  # type: ignore[attr-defined]
    began = clock.now_ms()
    async with new_loom(Watch, data=tmp_path / "data") as loom:
        await loom.publish("door.opened", id="d1")
        await loom.publish("freezer.temp", -5, id="f1")
        await run_until_idle(loom, 100)
    await asyncio.sleep(100)  # nobody is there
    async with new_loom(Watch, data=tmp_path / "data") as loom:
        await run_until_idle(loom, 200)
        [(name, told)] = loom.agent("Watch").instance.seen
        assert name == "f1"
        assert 0 <= told - (began + 300_000) < 10_000  # real time passes while something is written
        await loom.publish("door.opened", id="d2")
        await run_until_idle(loom, 50)
    await asyncio.sleep(1000)  # d1 is over meanwhile, and then d2
    async with new_loom(Watch, data=tmp_path / "data") as loom:
        await loom.publish("door.closed", id="late")
        await run_until_idle(loom, 50)
        seen = loom.agent("Watch").instance.seen
        assert [name for name, _ in seen] == ["f1", "d1", "d2"]
        assert loom.dead_letters == []


class Fusion(Agent):
    seen: list[list[int]] = []

    @when(join("camera", "imu", tolerance_ms=50), durable=False)
    async def fused(self, event: Event, ctx: Context) -> None:
        self.seen.append([e["payload"] for e in event.payload["events"]])


@virtual_time
async def test_a_query_that_is_not_durable_makes_no_topic_one(tmp_path: Path) -> None:
    async with new_loom(Fusion, data=tmp_path / "data") as loom:
        for number, topic in enumerate(["camera", "imu"]):
            event = await loom.publish(topic, number)
            assert event.seq == 0
        await run_until_idle(loom, 10)
        assert loom.agent("Fusion").instance.seen == [[0, 1]]


QUERIES = [
    sequence("a", "*", "c", within=125),
    absence("a", "b", within=65, lateness=30),
    threshold("*", 3, window=95),
    held("*", "payload.n > 20", seconds=75, lateness=20),
    join("a", "b", tolerance_ms=35_000, lateness=50),
]


async def lives(
    query: Query[Any], trace: list[Input], folder: str, clock: VirtualClock
) -> list[tuple[str, ...]]:
    """The matches that a runtime publishes while *trace* happens to it and it is stopped short and started again."""
    found: list[tuple[str, ...]] = []

    async def begin() -> Loom:
        loom = new_loom(Listener, query_agent(query, name="q"), data=folder)
        return await loom.start()

    loom = await begin()
    for now, event, crash in trace:
        await run_until_idle(loom, max(0.0, (now - clock.now_ms()) / 1000))
        await loom.publish(event.replace(id=event.id, timestamp_ms=min(event.timestamp_ms, now)))
        if crash:
            await loom.stop(0)
            loom = await begin()
    await run_until_idle(loom, 1000)
    found = loom.agent("Listener").instance.heard
    assert loom.dead_letters == []
    await loom.stop()
    return found


class Listener(Agent):
    heard: list[tuple[str, ...]] = []

    @on("loom.query.q")
    async def hear(self, event: Event, ctx: Context) -> None:
        self.heard.append(tuple(e["id"] for e in event.payload["events"]))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.kind)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trace=traces(step=10_000, most=10))
def test_whenever_it_is_stopped_it_finds_what_the_oracle_finds(query: Query[Any], trace: list[Input]) -> None:
    oracle = oracle_of(query)
    for now, event, _ in trace:
        oracle.clock(now)
        oracle.event(event, now)
    oracle.clock(START + 10**7)
    clock = VirtualClock(START)
    with TemporaryDirectory() as folder:
        assert run(lives(query, trace, folder, clock), clock=clock) == oracle.found
