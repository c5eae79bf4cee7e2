"""What a benchmark is made of: sides that run in turn, samples, and ratios with a bar.

    @bench
    def one_to_one() -> Iterator[Ratio]:
        got = interleave(7, loom=through_the_bus, bare=through_a_deque)      # each side returns its rate
        yield Ratio("bus.one_to_one", got.ratio("loom", "bare"), bar=0.8, note=got.note("loom", "bare", "M/s", 1e-6))

Sides run alternately, and a ratio is the median of the ratios of each round: a machine that gets slower for a second
makes both sides slower. A side may be a coroutine function; each run of it gets an event loop of its own.
"""

import asyncio
import gc
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Literal, TypeVar

Side = Callable[[], float] | Callable[[], Awaitable[float]]
Bench = Callable[[], Iterable["Ratio"]]
B = TypeVar("B", bound=Bench)

_MARK = "_loom_bench"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of a run: its value, which way is better, and the bar that DESIGN.md sets for it."""

    name: str
    value: float
    bar: float | None = None
    better: Literal["higher", "lower"] = "higher"
    unit: str = "x"
    slack: float = 0.0  # a change smaller than this is never a regression, in the unit of the value
    note: str = ""

    def meets_bar(self) -> bool:
        """Whether the value reaches the bar; without one every value does."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.better == "higher" else self.value <= self.bar

    def worse_than(self, stored: float) -> float:
        """By which part of the stored value this one is worse; 0.0 when it is not, or by less than the slack."""
        change = stored - self.value if self.better == "higher" else self.value - stored
        if change <= self.slack:
            return 0.0
        return change / abs(stored) if stored else float("inf")

    def better_of(self, other: "Ratio") -> "Ratio":
        """The better of two measurements of the same thing."""
        ahead = self.value >= other.value if self.better == "higher" else self.value <= other.value
        return self if ahead else other


@dataclass(frozen=True, slots=True)
class Samples:
    """The values of each side, round by round."""

    sides: dict[str, list[float]]

    def median(self, side: str) -> float:
        return median(self.sides[side])

    def ratio(self, ours: str, theirs: str) -> float:
        """The median, over the rounds, of our value divided by theirs."""
        return median(a / b for a, b in zip(self.sides[ours], self.sides[theirs], strict=True))

    def above(self, ours: str, theirs: str) -> float:
        """The median, over the rounds, of our value less theirs."""
        return median(a - b for a, b in zip(self.sides[ours], self.sides[theirs], strict=True))

    def note(self, ours: str, theirs: str, unit: str, scale: float = 1.0) -> str:
        """The medians behind a ratio, for the last column of the table."""
        return f"{self.median(ours) * scale:.3g} against {self.median(theirs) * scale:.3g} {unit}"


def bench(function: B) -> B:
    """Marks a function that yields Ratios; the runner finds it in `bench_*.py` (or `peer_*.py`)."""
    setattr(function, _MARK, True)
    return function


def is_bench(thing: object) -> bool:
    return getattr(thing, _MARK, False) is True


def interleave(rounds: int, warm: int = 1, **sides: Side) -> Samples:
    """Runs every side once a round, in an order that alternates, after `warm` rounds that do not count."""
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-warm, rounds):
        names = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in names:
            value = run_side(sides[name])
            if number >= 0:
                samples[name].append(value)
    return Samples(samples)


def run_side(side: Side) -> float:
    """One run of a side, with the garbage of the run before it collected first."""
    gc.collect()
    value = asyncio.run(side()) if inspect.iscoroutinefunction(side) else side()
    assert isinstance(value, int | float)
    return value


class Stopwatch:
    """Times a block: `with Stopwatch() as watch: ...`, then `watch.wall`, `watch.cpu` (seconds), `watch.rate(n)`."""

    __slots__ = ("_cpu", "_wall", "cpu", "wall")

    def __enter__(self) -> "Stopwatch":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu

    def rate(self, count: int) -> float:
        """Things per second of wall time."""
        return count / self.wall


def quantile(values: Iterable[float], part: float) -> float:
    """The value below which `part` (0..1) of the values lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * part) - 1)]
