"""Sequences: this, then that, within a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Unpack

from loom.errors import ConfigError
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


@dataclass(frozen=True, kw_only=True)
class Sequence(Query[State]):
    """Finds one event of each step in order of time, the last at most ``within`` milliseconds after the first.

    It is found when the piece that was missing comes, be that the last one or one that is late. For the others the
    nearest are taken: before it the newest, after it the oldest. Each event is used once.
    """

    kind: ClassVar[str] = "sequence"
    within: int

    @property
    def horizon(self) -> int:
        """Until the newest event is too far away to follow it, and as much longer as events may be late."""
        return self.within + self.lateness

    def decide(self, state: State, new: Seen | None) -> Outcome[State]:
        """Look for a chain through *new*, with *new* as late in it as can be."""
        for role in reversed(new.roles if new is not None else ()):
            assert new is not None
            chain = self._chain(state.kept, new, role)
            if chain and chain[-1].at - chain[0].at <= self.within:
                match = Match(tuple(chain), chain[0].at, chain[-1].at)
                return Outcome(replace(state, kept=without(state.kept, chain)), (match,))
        return Outcome(state)

    def _chain(self, kept: Iterable[Seen], new: Seen, role: int) -> list[Seen]:
        """The tightest chain in which *new* plays *role*; empty if a step is missing."""
        chain = [new]
        for step in range(role - 1, -1, -1):
            before = [s for s in kept if step in s.roles and s.order < chain[0].order]
            if not before:
                return []
            chain.insert(0, max(before, key=lambda seen: seen.order))
        for step in range(role + 1, len(self.patterns)):
            after = [s for s in kept if step in s.roles and s.order > chain[-1].order]
            if not after:
                return []
            chain.append(min(after, key=lambda seen: seen.order))
        return chain


def sequence(*topics: str | Pattern, within: float, **bounds: Unpack[Bounds]) -> Sequence:
    """One event of each of *topics*, in that order, all within *within* seconds; each event is used once.

    Raises ConfigError, InvalidTopic.
    """
    if len(topics) < 2:
        raise ConfigError(f"sequence() needs two topics or more, not {len(topics)}")
    return Sequence(
        patterns=patterns_of(topics),
        within=milliseconds(within, "sequence(within=)"),
        **bounds_of(bounds),
    )
