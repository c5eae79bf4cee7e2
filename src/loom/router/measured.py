"""What a backend was seen to do: how long it takes, by size, and how often it fails; old news fades."""

from __future__ import annotations

import math
from collections.abc import Mapping

from loom.router.facts import EMPTY, SIZES, Quantiles, bucket_of
from loom.telemetry.histogram import Histogram

KEPT = 512
"""Values after which the weight of all older ones is halved."""
FRESH = 16
"""Values up to which quantiles are computed anew for each one; later for every eighth."""
WEIGHT = 0.1
"""What the latest result counts in the error rate."""
STALE_MS = 300_000
"""After which times that nothing was added to are not known any more: who was slow gets another chance."""
HALF_LIFE_MS = 120_000
"""After which an error rate that nothing was added to is half of itself: a backend that nobody dares to ask heals."""


class Fading(Histogram):
    """A histogram that forgets slowly: when it holds `KEPT` values, each counts half."""

    __slots__ = ("_cached", "_since")

    def __init__(self) -> None:
        super().__init__()
        self._cached: Quantiles | None = None
        self._since = 0

    def add(self, seconds: float) -> None:
        """Count one duration in seconds."""
        super().add(seconds)
        self._since += 1
        if self.count >= KEPT:
            self._fade()

    @property
    def due(self) -> bool:
        """Whether `quantiles` would say something new."""
        return self._cached is None or self._since >= (1 if self.count <= FRESH else 8)

    @property
    def quantiles(self) -> Quantiles:
        """The median and the 95th percentile, milliseconds; at most eight values behind."""
        if self._cached is None or self.due:
            self._cached = Quantiles(self.quantile(0.5) * 1000, self.quantile(0.95) * 1000)
            self._since = 0
        return self._cached

    def _fade(self) -> None:
        self._buckets = {index: n // 2 for index, n in self._buckets.items() if n > 1}
        self.count = sum(self._buckets.values())
        self.total /= 2


class Timings:
    """Durations by size bucket, and their quantiles as a mapping that is never changed, only replaced."""

    __slots__ = ("_places", "_quantiles")

    def __init__(self) -> None:
        self._places: dict[int, Fading] = {}
        self._quantiles: Mapping[int, Quantiles] = EMPTY

    def add(self, place: int, ms: float) -> None:
        """One duration, milliseconds, of a request in bucket *place*."""
        fading = self._places.get(place)
        if fading is None:
            fading = self._places[place] = Fading()
        fading.add(ms / 1000)
        if fading.due:
            self._quantiles = {**self._quantiles, place: fading.quantiles}

    @property
    def quantiles(self) -> Mapping[int, Quantiles]:
        """By bucket, what is known; a snapshot."""
        return self._quantiles


class Measured:
    """The dynamic part of a backend's facts. Bounded: `SIZES` times three histograms."""

    __slots__ = ("_at_ms", "_rate", "_well_ms", "first", "token", "total")

    def __init__(self) -> None:
        self.first = Timings()
        self.token = Timings()
        self.total = Timings()
        self._rate = 0.0
        self._at_ms = 0
        self._well_ms = 0

    def answered(self, tokens_in: int, tokens_out: int, total_ms: float, first_ms: float | None) -> None:
        """An answer took *total_ms* in the backend, its first token *first_ms* where that was seen.

        Where it was not, what streams showed of the other tokens is taken off; without that the answer is one piece:
        to share its time out among a few tokens would make a long answer look far slower than it is.
        """
        place = bucket_of(tokens_in)
        self.total.add(place, total_ms)
        if tokens_out <= 1:
            self.first.add(place, total_ms if first_ms is None else first_ms)
        elif first_ms is None:
            known = self.token.quantiles.get(place)
            others = 0.0 if known is None else known.p50 * (tokens_out - 1)
            self.first.add(place, max(total_ms - others, 0.0))
        else:
            self.first.add(place, first_ms)
            self.token.add(place, max(total_ms - first_ms, 0.0) / (tokens_out - 1))

    def late(self, tokens_in: int, total_ms: float) -> None:
        """No answer came in *total_ms*: where more is usual than that, it says nothing."""
        place = bucket_of(tokens_in)
        known = self.first.quantiles.get(place)
        if known is not None and total_ms > known.p50:
            self.first.add(place, total_ms)

    def result(self, ok: bool, now_ms: int) -> None:
        """One more request that the backend answered, or failed."""
        self._rate = self.error_rate(now_ms) * (1 - WEIGHT) + (0.0 if ok else WEIGHT)
        self._at_ms = now_ms
        if ok:
            self._well_ms = now_ms

    def times(self, now_ms: int) -> tuple[Mapping[int, Quantiles], Mapping[int, Quantiles]]:
        """First tokens and the others by bucket, milliseconds; nothing when it answered too long ago to tell.

        Nor when that is far ahead: a clock that was set back says no more of how long ago it was.
        """
        if abs(now_ms - self._well_ms) > STALE_MS:
            return EMPTY, EMPTY
        return self.first.quantiles, self.token.quantiles

    def error_rate(self, now_ms: int) -> float:
        """The share of requests that fail, 0..1: an exponentially weighted mean that heals with time."""
        if not self._rate:
            return 0.0
        passed = abs(now_ms - self._at_ms)  # a clock that was set back
        return self._rate * math.exp2(-passed / HALF_LIFE_MS)

    def p95_ms(self, tokens_in: int, whole: bool = True) -> float | None:
        """What 95 of 100 answers (*whole*, or their first tokens) took at most, ms; of the nearest size known."""
        known = (self.total if whole else self.first).quantiles
        if not known:
            return None
        place = bucket_of(tokens_in)
        return known[min(known, key=lambda each: (abs(each - place), each))].p95

    def statistics(self, now_ms: int) -> Mapping[str, object]:
        """Quantiles of whole answers by size, and the error rate."""
        names = [f"<={end}" for end in SIZES] + [f">{SIZES[-1]}"]
        total = {names[place]: each._asdict() for place, each in sorted(self.total.quantiles.items())}
        return {"total_ms": total, "error_rate": round(self.error_rate(now_ms), 4)}
