"""Random traces (ties, stamps out of order and ahead, duplicates, crashes), and a reader that feeds one to a query."""

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st

from loom.agent import spec_of
from loom.agent._state_codec import StateCodec
from loom.event import Event
from loom.queries import Outcome, Query, query_agent
from tests.queries.oracles import oracle_of

START = 1_000_000


class Input(NamedTuple):
    """An event that is handled at *now*; the process dies afterwards if *crash* says so."""

    now: int
    event: Event
    crash: bool


@st.composite
def traces(draw: Any, topics: str = "abc", step: int = 1, most: int = 24) -> list[Input]:
    """A trace; all its times are multiples of *step* milliseconds."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5, 9]),
                st.sampled_from([0, 0, 0, 0, 1, 1, 2, 4, 7, 12, -2]),
                st.sampled_from(topics),
                st.integers(0, 40),
                st.sampled_from([0, 0, 0, 0, 0, 1, 3]),
                st.booleans(),
            ),
            max_size=most,
        )
    )
    now, made = START, []
    for gap, back, topic, value, again, crash in rows:
        now += gap * step
        if again and len(made) >= again:
            event = made[-again].event
        else:
            stamp = now - back * step
            event = Event(topic, {"n": value}, topic=topic, id=f"e{len(made)}", timestamp_ms=stamp)
        made.append(Input(now, event, crash))
    return made


class Reader:
    """Feeds a query as its agent does: rings when it asks to, and comes back from what was kept after a crash."""

    def __init__(self, query: Query[Any]) -> None:
        self.query = query
        self.state = query.initial()
        self.wake: int | None = None
        self.found: list[tuple[str, ...]] = []
        self.values: list[float] = []
        self.lost: list[str] = []
        self.most = 0
        self.spec = spec_of(query_agent(query, name="q"))
        self.codec = StateCodec(self.spec.snapshot.fields)

    def clock(self, now: int) -> None:
        while self.wake is not None and self.wake <= now:
            before = self.wake
            self.keep(self.query.ring(self.state, self.wake))
            assert self.wake is None or self.wake > before, "a query that rings for ever"

    def event(self, event: Event, now: int) -> None:
        self.keep(self.query.take(self.state, event, now))

    def keep(self, outcome: Outcome[Any]) -> None:
        self.state, self.wake = outcome.state, outcome.wake
        self.found += [tuple(seen.id for seen in match.events) for match in outcome.matches]
        self.values += [match.value for match in outcome.matches if match.value is not None]
        self.lost += outcome.lost
        self.most = max(self.most, len(self.state.kept))

    def crash(self) -> None:
        """Die, and begin again with the state as an agent's snapshot keeps it."""
        agent = self.spec.cls(parts={"": self.state})
        kept = json.loads(json.dumps(self.codec.encode(self.spec.snapshot.capture(agent.__dict__))))
        restored = dict(zip(self.codec.names, self.codec.decode(kept), strict=True))["parts"][""]
        assert restored == self.state
        self.state = restored


def check(query: Query[Any], trace: list[Input]) -> Reader:
    """Hold *query* against its oracle on *trace*: the same matches, told at the same inputs."""
    reader, oracle = Reader(query), oracle_of(query)
    for now, event, crash in trace:
        for side in (reader, oracle):
            side.clock(now)
            side.event(event, now)
        assert reader.found == oracle.found
        if crash:
            reader.crash()
    for side in (reader, oracle):
        side.clock(START + 1_000_000)
    assert reader.found == oracle.found
    assert reader.values == oracle.values
    assert reader.wake is None
    return reader
