"""The query: a pure reducer over events and time, and the rules that every kind of it shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, NamedTuple, TypedDict, TypeVar

from loom.errors import ConfigError
from loom.event import Event
from loom.queries.pattern import Pattern, events, reader

_IDS = 4  # ids remembered for each event that may be: those of events that were used are among them


@dataclass(frozen=True)
class Seen:
    """An event as a query remembers it. ``at`` is when it counts as having happened, Unix milliseconds."""

    topic: str
    id: str
    payload: Any
    timestamp_ms: int
    at: int
    number: int
    roles: tuple[int, ...] = ()
    value: float = 0.0

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the others: by time, and at the same time by arrival."""
        return self.at, self.number


@dataclass(frozen=True)
class State:
    """What a query remembers of one partition: how far time has come, which ids it knows, and the events it needs."""

    __loom_immutable__: ClassVar[bool] = True  # a step may keep it without a copy

    time: int = 0
    number: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    kept: tuple[Seen, ...] = ()


S = TypeVar("S", bound=State)


class Match(NamedTuple):
    """What a query has found: the events in order of time, the span (Unix milliseconds), the level if it measures."""

    events: tuple[Seen, ...]
    since_ms: int
    until_ms: int
    value: float | None = None


class Outcome(NamedTuple, Generic[S]):
    """The state after an input, what was found, a reason for each event that was not used, when to ring next."""

    state: S
    matches: tuple[Match, ...] = ()
    lost: tuple[str, ...] = ()
    wake: int | None = None


class Bounds(TypedDict, total=False):
    """What every query may be told: ``by`` (a path: one partition for each value), ``lateness`` in seconds, at most
    ``limit`` events remembered in a partition, at most ``keys`` partitions."""

    by: str | None
    lateness: float
    limit: int
    keys: int


@dataclass(frozen=True, kw_only=True)
class Query(Generic[S]):
    """A question that stands: ``take`` an event or ``ring`` at a moment, get the next state and what was found.

    Time is that of the stamps. An event happened when its timestamp says, but not later than it is handled; events of
    one moment are in the order of their arrival. One that is older than what the query still remembers is late and
    not used, and neither is one whose id it knows. Between events, ``ring`` says how far the clock has come.
    """

    kind: ClassVar[str] = ""
    state: ClassVar[type[State]] = State

    patterns: tuple[Pattern, ...]
    by: str | None = None
    lateness: int = 0
    limit: int = 256
    keys: int = 256

    def __post_init__(self) -> None:
        if self.limit < len(self.patterns) or self.keys < 1 or self.lateness < 0:
            raise ConfigError(
                f"{self.kind}: limit={self.limit}, keys={self.keys}, lateness={self.lateness / 1000} cannot be; "
                f"remember at least {len(self.patterns)} events of 1 key, and 0 seconds of lateness"
            )
        if self.by is not None:
            reader(self.by)

    @property
    def horizon(self) -> int:
        """How many milliseconds back an event can still matter."""
        raise NotImplementedError

    def decide(self, state: S, new: Seen | None) -> Outcome[S]:
        """What follows from *new*, which is among the kept events already, or from the time alone."""
        raise NotImplementedError

    def wake(self, state: S) -> int | None:
        """The Unix millisecond at which time alone can decide something; None if only events can."""
        return None

    def value(self, event: Event) -> float | None:
        """What the query measures in *event*; None if that is nothing it could use."""
        return 0.0

    def initial(self) -> S:
        """The state before the first event."""
        return self.state()  # type: ignore[return-value]

    def take(self, state: S, event: Event, now_ms: int) -> Outcome[S]:
        """The outcome of an event that is handled at *now_ms*."""
        at = min(event.timestamp_ms, now_ms)
        if event.id in state.ids:
            return self._unused(state, "duplicate")
        if at < state.time - self.horizon:
            return self._unused(state, "late")
        roles = tuple(role for role, pattern in enumerate(self.patterns) if pattern.accepts(event))
        value = self.value(event)
        if not roles or value is None:
            return self._unused(state, "unusable")
        number = state.number + 1
        new = Seen(event.topic, event.id, event.payload, event.timestamp_ms, at, number, roles, value)
        kept = tuple(sorted((*state.kept, new), key=_order))
        ids = {**state.ids, event.id: event.timestamp_ms}
        state = replace(state, time=max(state.time, at), number=number, ids=ids, kept=kept)
        return self._bounded(self.decide(state, new))

    def ring(self, state: S, due_ms: int) -> Outcome[S]:
        """The outcome of the clock having come to *due_ms*."""
        state = replace(state, time=max(state.time, due_ms))
        return self._bounded(self.decide(state, None))

    def _unused(self, state: S, why: str) -> Outcome[S]:
        return Outcome(state, (), (why,), self.wake(state))

    def _bounded(self, outcome: Outcome[S]) -> Outcome[S]:
        """Forget what is past the horizon, then the oldest above the limit."""
        state, oldest = outcome.state, outcome.state.time - self.horizon
        kept = tuple(seen for seen in state.kept if seen.at >= oldest)
        over = max(0, len(kept) - self.limit)
        ids = {name: stamp for name, stamp in state.ids.items() if stamp >= oldest}
        for name in list(ids)[: max(0, len(ids) - _IDS * self.limit)]:
            del ids[name]
        state = replace(state, kept=kept[over:], ids=ids)
        return outcome._replace(state=state, lost=(*outcome.lost, *["dropped"] * over), wake=self.wake(state))


def _order(seen: Seen) -> tuple[int, int]:
    return seen.order


def without(kept: Iterable[Seen], gone: Iterable[Seen]) -> tuple[Seen, ...]:
    """The kept events but those that are *gone*, told apart by their number: payloads are not compared."""
    numbers = {seen.number for seen in gone}
    return tuple(seen for seen in kept if seen.number not in numbers)


def patterns_of(topics: tuple[str | Pattern, ...]) -> tuple[Pattern, ...]:
    """Topics as patterns; raises InvalidTopic."""
    return tuple(t if isinstance(t, Pattern) else events(t) for t in topics)


def bounds_of(bounds: Bounds) -> dict[str, Any]:
    """The fields of a Query for what it was told; raises ConfigError."""
    fields: dict[str, Any] = {**bounds}
    if "lateness" in fields:
        fields["lateness"] = round(fields["lateness"] * 1000)
    return fields


def milliseconds(seconds: float, what: str) -> int:
    """*seconds* as a whole number of milliseconds; raises ConfigError unless that is at least one."""
    if not seconds >= 0.001:
        raise ConfigError(f"{what} needs at least 0.001 seconds, not {seconds!r}")
    return round(seconds * 1000)
