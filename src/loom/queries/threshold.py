"""Thresholds: how many, how much or how high on average, over a window that slides."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Unpack

from loom.errors import ConfigError
from loom.event import Event
from loom.queries.pattern import Pattern, reader
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

Measure = Literal["count", "sum", "mean"]


@dataclass(frozen=True)
class ThresholdState(State):
    """What a threshold remembers besides: whether the level was not reached the last time it looked."""

    armed: bool = True


@dataclass(frozen=True, kw_only=True)
class Threshold(Query[ThresholdState]):
    """Finds each crossing of a level by a count, sum or mean over the last ``window`` milliseconds.

    It looks at every event: at the window that ends with the newest one, first without and then with it. It has
    crossed when the level is reached now and was not before.
    """

    kind: ClassVar[str] = "threshold"
    state: ClassVar[type[State]] = ThresholdState
    window: int
    level: float
    of: Measure = "count"
    path: str | None = None
    below: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of not in ("count", "sum", "mean") or self.lateness:
            raise ConfigError(
                f"threshold(of={self.of!r}, lateness={self.lateness / 1000}): it is count, sum or mean, and what is "
                "older than the window cannot be in it"
            )
        if (self.path is None) != (self.of == "count"):
            raise ConfigError(
                f"threshold(of={self.of!r}, value={self.path!r}): a sum and a mean need a path, a count none"
            )
        if self.of == "count" and (self.below or not 1 <= self.level <= self.limit):
            raise ConfigError(
                f"threshold(level={self.level!r}): a count reaches 1 to limit={self.limit} from below; "
                "absence(...) finds what does not come"
            )
        if self.path is not None:
            reader(self.path)

    @property
    def horizon(self) -> int:
        """The window; what is exactly as old as it is long has left it."""
        return self.window - 1

    def value(self, event: Event) -> float | None:
        """The number at the path; None if there is none."""
        if self.path is None:
            return 1.0
        found = reader(self.path)(event)
        usable = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
        return float(found) if usable else None

    def decide(self, state: ThresholdState, new: Seen | None) -> Outcome[ThresholdState]:
        """Compare the window with *new* in it to the window without."""
        inside = [s for s in state.kept if s.at >= state.time - self.horizon]
        before = self._reached(s.value for s in inside if s is not new)
        level = self.measure([s.value for s in inside])
        reached = self._reached(s.value for s in inside)
        crossed = reached and (state.armed or not before)
        state = replace(state, armed=not reached)
        if not crossed:
            return Outcome(state)
        return Outcome(state, (Match(tuple(inside), inside[0].at, inside[-1].at, level),))

    def measure(self, values: list[float]) -> float:
        """The count, sum or mean of *values*; a mean of nothing is not a number."""
        if self.of == "count":
            return float(len(values))
        total = math.fsum(values)
        if self.of == "sum":
            return total
        return total / len(values) if values else math.nan

    def _reached(self, values: Iterable[float]) -> bool:
        level = self.measure(list(values))
        return level <= self.level if self.below else level >= self.level


def threshold(
    topic: str | Pattern,
    level: float,
    *,
    window: float,
    of: Measure = "count",
    value: str | None = None,
    below: bool = False,
    **bounds: Unpack[Bounds],
) -> Threshold:
    """The count of events, or the sum or mean of what is at the path *value* in them, reaches *level*.

    Measured over the last *window* seconds at each event; *below* turns the direction round. Found once for each
    crossing. Raises ConfigError, InvalidTopic.
    """
    return Threshold(
        patterns=patterns_of((topic,)),
        window=milliseconds(window, "threshold(window=)"),
        level=level,
        of=of,
        path=value,
        below=below,
        **bounds_of(bounds),
    )
