"""Queries in a runtime that is stopped in the middle of one and started again."""

import asyncio
from pathlib import Path

from loom import Agent, Context, Event, Loom
from loom.queries import absence, held, join, sequence, threshold, when
from loom.testing import new_loom, run_until_idle, virtual_time


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
