"""@when: a handler and the agent that runs its query, together in the runtime."""

from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, QoS, on
from loom.errors import ConfigError
from loom.queries import absence, sequence, threshold, when
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


class Guard(Agent):
    seen: list[str] = []

    @when(sequence("door.opened", "motion.hall", within=10))
    async def intruder(self, event: Event, ctx: Context) -> None:
        self.seen.append(f"{event.topic} {[e['topic'] for e in event.payload['events']]}")

    @on("ping")
    async def ping(self, event: Event) -> None:
        self.seen.append("ping")


def state(loom: Loom, name: str) -> Any:
    return loom.agent(name).instance


@virtual_time
async def test_a_handler_is_called_with_what_was_found() -> None:
    async with new_loom(Guard) as loom:
        assert sorted(loom.statistics().agents) == ["Guard", "Guard-intruder"]
        await loom.publish("door.opened")
        await run_until_idle(loom, 9)
        await loom.publish("motion.hall")
        await loom.publish("ping")
        await run_until_idle(loom)
        found = "loom.query.Guard.intruder ['door.opened', 'motion.hall']"
        assert sorted(state(loom, "Guard").seen) == [found, "ping"]


@virtual_time
async def test_two_agents_of_one_class_have_a_query_each() -> None:
    async with new_loom() as loom:
        loom.add(Guard, name="front").add(Guard, name="back")
        await loom.publish("door.opened")
        await loom.publish("motion.hall")
        await run_until_idle(loom)
        for name in ("front", "back"):
            assert [line.split()[0] for line in state(loom, name).seen] == [f"loom.query.{name}.intruder"]


class Busy(Agent):
    seen: list[tuple[str, str]] = []

    @when(absence("a", "b", within=5))
    @when(threshold("a", 2, window=60), qos=QoS.REALTIME)
    @on("c")
    async def both(self, event: Event, ctx: Context) -> None:
        kind = event.payload["query"] if event.type == "match" else event.type
        self.seen.append((event.topic, kind))


@virtual_time
async def test_one_handler_may_have_several_queries_and_topics() -> None:
    async with new_loom(Busy) as loom:
        assert sorted(loom.statistics().agents) == ["Busy", "Busy-both-2", "Busy-both-3"]
        for topic in "aac":
            await loom.publish(topic)
        await run_until_idle(loom, 10)
        assert sorted(state(loom, "Busy").seen) == [
            ("c", "c"),
            ("loom.query.Busy.both-2", "threshold"),
            ("loom.query.Busy.both-3", "absence"),
            ("loom.query.Busy.both-3", "absence"),
        ]
        [queue] = [q for q in loom.bus.queues() if q.name == "Busy-both-2.observe"]
        assert queue.qos is QoS.REALTIME


class Room(Agent, key="metadata.room"):
    seen: list[str] = []

    @when(sequence("door", "motion", within=10, by="metadata.room"))
    async def entered(self, event: Event, ctx: Context) -> None:
        self.seen.append(ctx.agent)


@virtual_time
async def test_a_match_finds_the_instance_of_a_keyed_agent() -> None:
    async with new_loom(Room) as loom:
        heard = Probe(loom.bus, "loom.query.Room.entered")
        for topic, room in [("door", "hall"), ("door", "attic"), ("motion", "attic")]:
            await loom.publish(topic, metadata={"room": room})
        await run_until_idle(loom)
        assert [(match.key, dict(match.metadata)) for match in heard.events] == [("attic", {"room": "attic"})]
        assert loom.agent("Room/attic").instance.seen == ["Room/attic"]
        assert loom.dead_letters == []


@virtual_time
async def test_a_function_is_an_agent_by_itself() -> None:
    seen = []

    @when(sequence("a", "b", within=1))
    async def pair(event: Event, ctx: Context) -> None:
        seen.append((ctx.agent, event.topic))

    async with new_loom(pair) as loom:
        await loom.publish("a")
        await loom.publish("b")
        await run_until_idle(loom)
        assert seen == [("pair", "loom.query.pair.pair")]


def test_the_companions_name_must_be_free_and_then_nothing_is_added() -> None:
    @on("x")
    async def other(event: Event) -> None: ...

    loom = Loom().add(other, name="Guard-intruder")
    with pytest.raises(ConfigError, match="Guard-intruder"):
        loom.add(Guard)
    assert list(loom.statistics().agents) == ["Guard-intruder"]


def test_only_queries_can_be_waited_for() -> None:
    with pytest.raises(ConfigError, match="needs a query"):
        when("door.opened")  # type: ignore[arg-type]
