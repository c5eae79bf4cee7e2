"""Joins: the events of several topics that belong to one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Unpack

from loom.errors import ConfigError
from loom.queries.pattern import Pattern
from loom.queries.query import Bounds, Match, Outcome, Query, Seen, State, bounds_of, patterns_of, without

LEAD = 0


@dataclass(frozen=True)
class JoinState(State):
    """What a join remembers besides: the newest time of each topic."""

    newest: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Join(Query[JoinState]):
    """Finds for each event of the first topic the nearest one of every other, at most ``tolerance`` ms away.

    The events of the first topic are served in order of time, each event is used once, and of two that are equally
    near the older is taken. It is decided as soon as no nearer one can come, for which each topic counts as being in
    order, and at the latest ``tolerance`` and ``lateness`` after the first topic's event: then with what is there.
    """

    kind: ClassVar[str] = "join"
    state: ClassVar[type[State]] = JoinState
    tolerance: int

    @property
    def horizon(self) -> int:
        """Until nothing that may still wait can be near."""
        return 2 * self.tolerance + self.lateness

    def decide(self, state: JoinState, new: Seen | None) -> Outcome[JoinState]:
        """Serve the oldest events of the first topic for as long as they can be decided."""
        state = replace(state, newest=self._newest(state, new))
        matches: list[Match] = []
        lost: list[str] = []
        while (lead := self._first(state)) is not None:
            partners = self._partners(state, lead)
            over = lead.at + self.tolerance + self.lateness < state.time
            if not over and not self._certain(state, lead, partners):
                break
            found = [p for p in partners if p is not None]
            if len(found) == len(partners):
                together = tuple(sorted((lead, *found), key=lambda seen: seen.order))
                matches.append(Match(together, together[0].at, together[-1].at))
                gone = together
            else:
                lost.append("unmatched")
                gone = (lead,)
            state = replace(state, kept=without(state.kept, gone))
        return Outcome(state, tuple(matches), tuple(lost))

    def wake(self, state: JoinState) -> int | None:
        """When the oldest event of the first topic has waited long enough."""
        lead = self._first(state)
        return None if lead is None else lead.at + self.tolerance + self.lateness + 1

    def _first(self, state: JoinState) -> Seen | None:
        return next((seen for seen in state.kept if seen.roles[0] == LEAD), None)

    def _newest(self, state: JoinState, new: Seen | None) -> tuple[int, ...]:
        newest = list(state.newest or (0,) * len(self.patterns))
        if new is not None:
            newest[new.roles[0]] = max(newest[new.roles[0]], new.at)
        return tuple(newest)

    def _partners(self, state: JoinState, lead: Seen) -> list[Seen | None]:
        """The nearest kept event of each other topic; None where there is none."""
        near = [s for s in state.kept if s.roles[0] != LEAD and abs(s.at - lead.at) <= self.tolerance]
        return [
            min(
                (s for s in near if s.roles[0] == role),
                key=lambda seen: (abs(seen.at - lead.at), seen.order),
                default=None,
            )
            for role in range(1, len(self.patterns))
        ]

    def _certain(self, state: JoinState, lead: Seen, partners: list[Seen | None]) -> bool:
        """Whether every other topic has come so far that nothing nearer is to be expected."""
        return all(
            newest >= lead.at + (self.tolerance if near is None else abs(near.at - lead.at))
            for newest, near in zip(state.newest[1:], partners, strict=True)
        )


def join(*topics: str | Pattern, tolerance_ms: int, **bounds: Unpack[Bounds]) -> Join:
    """For each event of the first of *topics* the nearest of every other, at most *tolerance_ms* away.

    *lateness*, 1 second unless said, is how much later than the others the events of one topic may arrive. An event
    that several of the topics match counts for the first of them. Raises ConfigError, InvalidTopic.
    """
    if len(topics) < 2 or tolerance_ms < 0:
        raise ConfigError(f"join() needs two topics or more ({len(topics)}) and tolerance_ms of 0 or more")
    fields = bounds_of({"lateness": 1.0, **bounds})
    return Join(patterns=patterns_of(topics), tolerance=tolerance_ms, **fields)
