"""Queries as agents of a real runtime, in virtual time: what is found is published, once, and nothing else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from loom import Agent, Confidentiality, Context, Event, Label, Retry, on
from loom.errors import ConfigError
from loom.queries import Query, absence, events, held, join, query_agent, sequence, threshold
from loom.testing import Probe, VirtualClock, new_loom, run, run_until_idle, virtual_time
from tests.queries.oracles import oracle_of
from tests.queries.traces import START, Input, traces

QUERIES = [
    sequence("a", "*", "c", within=0.12),
    absence("a", "b", within=0.07, lateness=0.03),
    threshold("*", 3, window=0.1),
    held("*", "payload.n > 20", seconds=0.075, lateness=0.02),
    join("a", "b", "c", tolerance_ms=30, lateness=0.05),
]


def ids(match: Event) -> tuple[str, ...]:
    return tuple(event["id"] for event in match.payload["events"])


async def told(query: Query[Any], trace: list[Input], clock: VirtualClock) -> list[tuple[str, ...]]:
    """The matches that a runtime publishes while *trace* happens to it."""
    async with new_loom(query_agent(query, name="q")) as loom:
        probe = Probe(loom.bus, "loom.query.q")
        for now, event, _ in trace:
            await run_until_idle(loom, (now - clock.now_ms()) / 1000)
            assert clock.now_ms() == now
            await loom.publish(event)
        await run_until_idle(loom, 10)
        assert loom.dead_letters == []
        assert loom.statistics().timers == 0
        return [ids(match) for match in probe.events]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.kind)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trace=traces(step=10, most=12))
def test_a_runtime_finds_what_the_oracle_finds(query: Query[Any], trace: list[Input]) -> None:
    oracle = oracle_of(query)
    for now, event, _ in trace:
        oracle.clock(now)
        oracle.event(event, now)
    oracle.clock(START + 10**6)
    clock = VirtualClock(START)
    assert run(told(query, trace, clock), clock=clock) == oracle.found


@virtual_time
async def test_a_match_says_what_was_found_and_why() -> None:
    async with new_loom(
        query_agent(sequence("door.*", "motion.*", within=10, by="topic.1"), name="burglar")
    ) as loom:
        probe = Probe(loom.bus, "loom.query.burglar")
        now = loom.clock.now_ms()
        door = await loom.publish("door.hall", {"by": "hand"}, timestamp_ms=now, id="one", thread="night")
        await loom.publish("motion.attic", timestamp_ms=now)
        motion = await loom.publish("motion.hall", 3, timestamp_ms=now, id="two", thread="night")
        await run_until_idle(loom)
        [match] = probe.events
        assert match.payload == {
            "query": "sequence",
            "key": "hall",
            "since_ms": now,
            "until_ms": now,
            "value": None,
            "events": [
                {"topic": "door.hall", "id": door.id, "payload": {"by": "hand"}, "timestamp_ms": now},
                {"topic": "motion.hall", "id": motion.id, "payload": 3, "timestamp_ms": now},
            ],
        }
        assert (match.type, match.key, match.cause, match.thread) == ("match", "hall", "two", "night")
        assert loom.agent("burglar").instance.found == 1


@virtual_time
async def test_the_label_of_a_match_covers_what_was_matched() -> None:
    private, untrusted = Label(Confidentiality.PRIVATE), Label(untrusted=True)
    async with new_loom(
        query_agent(sequence("a", "b", within=10), name="s"),
        query_agent(absence("a", "c", within=10), name="n"),
    ) as loom:
        probe = Probe(loom.bus, "loom.query.>")
        await loom.publish("a", label=private)
        await loom.publish("b", label=untrusted)
        await run_until_idle(loom, 20)
        labels = {match.topic: match.label for match in probe.events}
        assert labels["loom.query.s"] == private.join(untrusted)
        assert labels["loom.query.n"].covers(private)


@virtual_time
async def test_events_that_fit_two_patterns_come_once() -> None:
    query = threshold(events("a.>"), 2, window=60)
    both = sequence("a.*", "a.b", within=60)
    async with new_loom(query_agent(query, name="t"), query_agent(both, name="s")) as loom:
        probe = Probe(loom.bus, "loom.query.>")
        for number in range(2):
            await loom.publish("a.b", id=f"e{number}")
        await run_until_idle(loom)
        assert sorted((match.topic, ids(match)) for match in probe.events) == [
            ("loom.query.s", ("e0", "e1")),
            ("loom.query.t", ("e0", "e1")),
        ]
        assert loom.agent("s").instance.lost == {}


@virtual_time
async def test_one_timer_waits_for_all_partitions_and_none_when_nothing_is_pending() -> None:
    async with new_loom(query_agent(absence("a", "b", within=10, by="key"), name="q")) as loom:
        probe = Probe(loom.bus, "loom.query.q")
        for key in "xyz":
            await loom.publish("a", key=key)
            await run_until_idle(loom, 1)
        assert loom.statistics().timers == 1
        await loom.publish("b", key="x")
        await run_until_idle(loom)
        assert loom.statistics().timers == 1
        await run_until_idle(loom, 8.5)
        assert [match.key for match in probe.events] == ["y"]
        await loom.publish("b", key="z")
        await run_until_idle(loom)
        assert loom.statistics().timers == 0
        await run_until_idle(loom, 60)
        assert probe.count == 1


@virtual_time
async def test_more_matches_than_fit_into_one_step_come_in_several() -> None:
    made = query_agent(absence("a", "b", within=10, by="key", limit=300), name="q")
    async with new_loom(made) as loom:
        probe = Probe(loom.bus, "loom.query.q")
        now = loom.clock.now_ms()
        for number in range(1500):
            await loom.publish("a", number, key=str(number % 5), timestamp_ms=now)
        await run_until_idle(loom, 60)
        assert probe.count == 1500
        assert loom.dead_letters == []
        assert len({match.cause for match in probe.events}) >= 5


@virtual_time
async def test_two_of_one_class_do_not_hear_each_others_timers() -> None:
    made = query_agent(absence("a", "b", within=10), name="q")
    async with new_loom() as loom:
        loom.add(made, name="one").add(made, name="two")
        probe = Probe(loom.bus, "loom.query.q")
        await loom.publish("a")
        await run_until_idle(loom, 30)
        assert probe.count == 2
        assert sorted(match.source for match in probe.events) == ["one", "two"]


@virtual_time
async def test_in_memory_a_payload_may_be_anything_and_is_not_copied() -> None:
    async with new_loom(query_agent(sequence("a", "b", within=10), name="q")) as loom:
        probe = Probe(loom.bus, "loom.query.q")
        frame = object()
        await loom.publish("a", frame)
        await loom.publish("b")
        await run_until_idle(loom, 1)
        assert probe.payloads[0]["events"][0]["payload"] is frame


def test_a_query_agent_is_named_like_any_other() -> None:
    with pytest.raises(ConfigError, match="agent name"):
        query_agent(sequence("a", "b", within=1), name="not a name")


class Listener(Agent, retry=Retry(attempts=2, base=0.01)):
    heard: list[tuple[str, ...]] = []

    @on("loom.query.q")
    async def hear(self, event: Event, ctx: Context) -> None:
        self.heard.append(ids(event))
        if ctx.attempt == 1:
            raise ValueError("not yet")


@virtual_time
async def test_who_listens_may_fail_and_hears_it_once_in_its_state() -> None:
    async with new_loom(query_agent(sequence("a", "b", within=10), name="q"), Listener) as loom:
        await loom.publish("a", id="x")
        await loom.publish("b", id="y")
        await run_until_idle(loom, 1)
        assert loom.agent("Listener").instance.heard == [("x", "y")]
