"""Partitions: as if each key had a query of its own, and never more of them than was said."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings

from loom.event import Event
from loom.queries import Query, absence, sequence
from loom.queries._partitions import Parts, ring, take
from tests.queries.traces import START, Input, Reader, traces


class Partitioned:
    """Feeds a partitioned query as its agent does."""

    def __init__(self, query: Query[Any]) -> None:
        self.query = query
        self.parts: Parts = {}
        self.dues: dict[str, int] = {}
        self.found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        self.lost: list[str] = []

    def clock(self, now: int) -> None:
        while self.dues and min(self.dues.values()) <= now:
            self.keep(*ring(self.query, self.parts, self.dues, min(self.dues.values())))

    def event(self, event: Event, now: int) -> None:
        self.keep(take(self.query, self.parts, self.dues, event, now))

    def keep(self, *turns: Any) -> None:
        for turn in turns:
            self.lost += turn.lost
            for match in turn.matches:
                self.found[turn.key].append(tuple(seen.id for seen in match.events))


@pytest.mark.parametrize("kind", [sequence, absence])
@settings(deadline=None)
@given(trace=traces("ab"))
def test_each_key_has_a_query_of_its_own(kind: Any, trace: list[Input]) -> None:
    query = kind("a", "b", within=0.006, by="payload.n")
    together = Partitioned(query)
    alone: dict[str, Reader] = defaultdict(lambda: Reader(query))
    for now, event, _ in trace:
        event = event.replace(payload={"n": event.payload["n"] % 3}, id=event.id)
        for side in (together, *alone.values()):
            side.clock(now)
        for side in (together, alone[str(event.payload["n"])]):
            side.event(event, now)
    for side in (together, *alone.values()):
        side.clock(START + 10**6)
    assert {k: v for k, v in together.found.items() if v} == {k: r.found for k, r in alone.items() if r.found}
    assert together.dues == {}


def test_the_partition_that_was_idle_longest_goes_and_is_counted() -> None:
    world = Partitioned(absence("a", "b", within=1, by="key", keys=2))

    def publish(key: str | None, at: int) -> None:
        world.event(Event("a", topic="a", key=key, id=f"{key}{at}", timestamp_ms=START + at), START + at)

    for key, at in (("x", 0), ("y", 1), ("x", 2), ("z", 3)):
        publish(key, at)
    assert list(world.parts) == ["x", "z"]
    assert world.lost == ["forgotten"]
    publish(None, 4)
    assert world.lost == ["forgotten", "unkeyed"]
    world.clock(START + 10_000)
    assert dict(world.found) == {"x": [("x0",), ("x2",)], "z": [("z3",)]}
