"""Absences: this, and then not that for a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Unpack

from loom.queries.pattern import Pattern
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
    without,
)  # fmt: skip

FIRST, THEN = 0, 1


@dataclass(frozen=True, kw_only=True)
class Absence(Query[State]):
    """Finds each first event that nothing followed for ``within`` milliseconds.

    An event that follows answers every first one at most that long before it, also when it arrives before them. It is
    decided when the time and ``lateness`` are over, by the clock or by a newer event; what comes then is too late.
    """

    kind: ClassVar[str] = "absence"
    within: int

    @property
    def horizon(self) -> int:
        """As long as it is undecided."""
        return self.within + self.lateness

    def decide(self, state: State, new: Seen | None) -> Outcome[State]:
        """Take away what is answered now, by *new* or being *new*; then find those whose time is over."""
        kept = state.kept
        if new is not None:
            kept = tuple(_settled(s) if self._answered(s, new, kept) else s for s in kept)
        waiting = [s for s in kept if FIRST in s.roles]
        over = tuple(s for s in waiting if s.at + self.horizon < state.time)
        rest = tuple(s for s in without(kept, over) if s.roles)
        return Outcome(replace(state, kept=rest), tuple(Match((s,), s.at, s.at + self.within) for s in over))

    def wake(self, state: State) -> int | None:
        """When the time of the oldest is over."""
        waiting = [s.at for s in state.kept if FIRST in s.roles]
        return min(waiting) + self.horizon + 1 if waiting else None

    def _answered(self, seen: Seen, new: Seen, kept: tuple[Seen, ...]) -> bool:
        """Whether *seen* is a first one that is answered now: only by *new*, unless it is *new* itself."""
        if FIRST not in seen.roles:
            return False
        after = kept if seen is new else (new,)
        return any(THEN in s.roles and s.order > seen.order and s.at - seen.at <= self.within for s in after)


def _settled(seen: Seen) -> Seen:
    return replace(seen, roles=tuple(role for role in seen.roles if role != FIRST))


def absence(first: str | Pattern, then: str | Pattern, *, within: float, **bounds: Unpack[Bounds]) -> Absence:
    """An event of *first* that no event of *then* follows within *within* seconds; found once for each.

    Raises ConfigError, InvalidTopic.
    """
    return Absence(
        patterns=patterns_of((first, then)),
        within=milliseconds(within, "absence(within=)"),
        **bounds_of(bounds),
    )
