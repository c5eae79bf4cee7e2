"""Conditions that have held for a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Unpack

from loom.event import Event
from loom.queries.pattern import Condition, Pattern, condition
from loom.queries.query import (
    Bounds,
    Match,
    Outcome,
    Query,
    Seen,
    State,
    bounds_of,
    milliseconds,
    patterns_of,
)


@dataclass(frozen=True)
class HeldState(State):
    """What is remembered besides: the first of the events since which the condition holds, and whether it was told."""

    start: Seen | None = None
    told: bool = False


@dataclass(frozen=True, kw_only=True)
class Held(Query[HeldState]):
    """Finds a condition that stayed true for ``span`` milliseconds, once until it was false.

    It is true from the first event that says so until one that says otherwise; no event has to come in between. Events
    wait ``lateness`` milliseconds for those that belong before them; one that comes later than that is not used.
    """

    kind: ClassVar[str] = "held"
    state: ClassVar[type[State]] = HeldState
    span: int
    holds: Condition

    @property
    def horizon(self) -> int:
        """Only as long as an event may be late: what is older has been taken in."""
        return self.lateness

    def value(self, event: Event) -> float | None:
        """1 where the condition holds, 0 where it does not."""
        return float(bool(self.holds(event)))

    def decide(self, state: HeldState, new: Seen | None) -> Outcome[HeldState]:
        """Take in, in order, the events before which nothing can come any more."""
        settled = state.time - self.lateness
        matches: list[Match] = []
        for seen in state.kept:
            if seen.at > settled:
                break
            state = self._tell(state, seen.at, matches)
            if not seen.value:
                state = replace(state, start=None, told=False)
            elif state.start is None:
                state = replace(state, start=seen, told=False)
        state = self._tell(state, settled, matches)
        rest = tuple(s for s in state.kept if s.at > settled)
        return Outcome(replace(state, kept=rest), tuple(matches))

    def wake(self, state: HeldState) -> int | None:
        """When the span and the lateness of the first event that may begin one are over."""
        starts = [s.at for s in state.kept if s.value]
        if state.start is not None and not state.told:
            starts.append(state.start.at)
        return min(starts) + self.span + self.lateness if starts else None

    def _tell(self, state: HeldState, until: int, matches: list[Match]) -> HeldState:
        start = state.start
        if start is None or state.told or until - start.at < self.span:
            return state
        matches.append(Match((start,), start.at, start.at + self.span))
        return replace(state, told=True)


def held(topic: str | Pattern, holds: str | Condition, *, seconds: float, **bounds: Unpack[Bounds]) -> Held:
    """*holds*, as in ``"payload.temp > 30"``, was true of the events of *topic* for *seconds* without a break.

    The match has the event with which it began. Raises ConfigError, InvalidTopic.
    """
    return Held(
        patterns=patterns_of((topic,)),
        span=milliseconds(seconds, "held(seconds=)"),
        holds=holds if callable(holds) else condition(holds),
        **bounds_of(bounds),
    )
