"""Naive oracles: each looks at everything that was ever used, at every millisecond, and remembers only what it told.

They know the rules by their definitions and nothing of buffers, wake-ups and what may be forgotten.
"""

from itertools import pairwise, product
from math import fsum, nan
from typing import Any, NamedTuple

from loom.event import Event
from loom.queries import Query
from loom.queries.absence import Absence
from loom.queries.held import Held
from loom.queries.join import Join
from loom.queries.sequence import Sequence
from loom.queries.threshold import Threshold


class Used(NamedTuple):
    """An event that was used: when it counts, which it was, its id, its roles, what it measures."""

    at: int
    number: int
    id: str
    roles: tuple[int, ...]
    value: float

    @property
    def order(self) -> tuple[int, int]:
        return self.at, self.number


class Oracle:
    """What every kind has in common: which events are used, and how far time has come."""

    def __init__(self, query: Any) -> None:
        self.query: Any = query
        self.used: list[Used] = []
        self.gone: set[int] = set()
        self.time = self.floor = 0
        self.found: list[tuple[str, ...]] = []
        self.values: list[float] = []

    def clock(self, now: int) -> None:
        """It is *now*: what time alone decides until then is decided, moment after moment."""
        while due := min((d for d in self.dues() if d <= now), default=0):
            self.time = max(self.time, due)
            self.decide(None)
            self.floor = self.time

    def event(self, event: Event, now: int) -> None:
        at = min(event.timestamp_ms, now)
        if any(u.id == event.id for u in self.used) or at < self.time - self.query.horizon:
            return
        roles = tuple(r for r, p in enumerate(self.query.patterns) if p.accepts(event))
        value = self.query.value(event)
        if roles and value is not None:
            new = Used(at, len(self.used), event.id, roles, value)
            self.used.append(new)
            self.time = max(self.time, at)
            self.decide(new)
            self.floor = self.time

    def tell(self, *events: Used) -> None:
        self.found.append(tuple(u.id for u in sorted(events, key=lambda u: u.order)))

    def left(self, role: int) -> list[Used]:
        """The events with a role, in order, that no match has used."""
        return sorted(
            (u for u in self.used if role in u.roles and u.number not in self.gone), key=lambda u: u.order
        )

    def dues(self) -> list[int]:
        return []

    def decide(self, new: Used | None) -> None:
        raise NotImplementedError


class SequenceOracle(Oracle):
    def decide(self, new: Used | None) -> None:
        assert new is not None
        steps = range(len(self.query.patterns))
        for role in reversed(new.roles):
            chains = [
                chain
                for chain in product(*([new] if s == role else self.left(s) for s in steps))
                if all(a.order < b.order for a, b in pairwise(chain))
                and chain[-1].at - chain[0].at <= self.query.within
                and chain[0].at >= self.time - self.query.horizon
            ]
            if chains:
                best = max(
                    chains,
                    key=lambda c: (
                        [u.order for u in c[:role][::-1]],
                        [(-u.at, -u.number) for u in c[role + 1 :]],
                    ),
                )
                self.gone |= {u.number for u in best}
                self.tell(*best)
                return


class AbsenceOracle(Oracle):
    def waiting(self) -> list[Used]:
        within = self.query.within
        return [
            a
            for a in self.left(0)
            if not any(b.order > a.order and b.at - a.at <= within for b in self.used if 1 in b.roles)
        ]

    def dues(self) -> list[int]:
        return [a.at + self.query.within + self.query.lateness + 1 for a in self.waiting()]

    def decide(self, new: Used | None) -> None:
        for a in self.waiting():
            if self.time > a.at + self.query.within + self.query.lateness:
                self.gone.add(a.number)
                self.tell(a)
        # an answered one is answered for good, whatever comes
        self.gone |= {a.number for a in self.left(0)} - {a.number for a in self.waiting()}


class ThresholdOracle(Oracle):
    def __init__(self, query: Any) -> None:
        super().__init__(query)
        self.reached_before = False

    def level(self, events: list[Used]) -> float:
        if self.query.of == "count":
            return len(events)
        total = fsum(u.value for u in events)
        if self.query.of == "mean":
            return total / len(events) if events else nan
        return total

    def reached(self, events: list[Used]) -> bool:
        level = self.level(events)
        return level <= self.query.level if self.query.below else level >= self.query.level

    def decide(self, new: Used | None) -> None:
        window = [u for u in self.used if u.at > self.time - self.query.window]
        if self.reached(window) and not (
            self.reached_before and self.reached([u for u in window if u != new])
        ):
            self.tell(*window)
            self.values.append(self.level(window))
        self.reached_before = self.reached(window)


class HeldOracle(Oracle):
    def runs(self) -> list[tuple[Used, int]]:
        """The first event of each run of true ones that are settled, and when it was last known to hold."""
        settled = self.time - self.query.lateness
        found: list[tuple[Used, int]] = []
        start: Used | None = None
        for u in sorted((u for u in self.used if u.at <= settled), key=lambda u: u.order):
            if not u.value and start is not None:
                found.append((start, u.at))
            start = (start or u) if u.value else None
        return [*found, (start, settled)] if start is not None else found

    def dues(self) -> list[int]:
        settled, more = self.time - self.query.lateness, self.query.span + self.query.lateness
        fresh = [u.at for u in self.used if u.value and u.at > settled]
        still = [s.at for s, until in self.runs()[-1:] if until == settled and self.open_and_untold(s)]
        return [at + more for at in fresh + still]

    def open_and_untold(self, start: Used) -> bool:
        settled = self.time - self.query.lateness
        broken = any(not u.value and start.order < u.order and u.at <= settled for u in self.used)
        return not broken and start.number not in self.gone

    def decide(self, new: Used | None) -> None:
        for start, until in self.runs():
            if until - start.at >= self.query.span and start.number not in self.gone:
                self.gone.add(start.number)
                self.tell(start)


class JoinOracle(Oracle):
    def leads(self) -> list[Used]:
        return [u for u in self.left(0) if u.roles[0] == 0]

    def over(self, lead: Used) -> int:
        return int(lead.at + self.query.tolerance + self.query.lateness + 1)

    def dues(self) -> list[int]:
        return [self.over(lead) for lead in self.leads()[:1]]

    def nearest(self, lead: Used, role: int) -> Used | None:
        oldest = self.floor - self.query.horizon
        near = [u for u in self.left(role) if u.roles[0] == role and u.at >= oldest]
        near = [u for u in near if abs(u.at - lead.at) <= self.query.tolerance]
        return min(near, key=lambda u: (abs(u.at - lead.at), u.order), default=None)

    def certain(self, lead: Used, role: int) -> bool:
        near = self.nearest(lead, role)
        away = self.query.tolerance if near is None else abs(near.at - lead.at)
        return any(u.at >= lead.at + away for u in self.used if u.roles[0] == role)

    def decide(self, new: Used | None) -> None:
        others = range(1, len(self.query.patterns))
        for lead in self.leads():
            if self.time < self.over(lead) and not all(self.certain(lead, r) for r in others):
                return
            partners = [self.nearest(lead, r) for r in others]
            self.gone.add(lead.number)
            if None not in partners:
                self.gone |= {p.number for p in partners if p}
                self.tell(lead, *(p for p in partners if p))


def oracle_of(query: Query[Any]) -> Oracle:
    """The oracle for a query."""
    kinds: dict[type, type[Oracle]] = {
        Sequence: SequenceOracle,
        Absence: AbsenceOracle,
        Threshold: ThresholdOracle,
        Held: HeldOracle,
        Join: JoinOracle,
    }
    return kinds[type(query)](query)
