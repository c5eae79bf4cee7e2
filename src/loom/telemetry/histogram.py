"""A histogram of durations with a bounded number of buckets and a known relative error."""

from __future__ import annotations

import math


class Histogram:
    """Durations in logarithmic buckets: any quantile within 2.5 % of its value, in a few kilobytes.

    The buckets grow by a factor, as in DDSketch (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile
    sketch", VLDB 2019). Values below a tenth of a microsecond share one bucket.
    """

    __slots__ = ("_buckets", "count", "maximum", "total")
    _GROWTH = math.log(1.05)
    _LEAST = 1e-7

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.total = 0.0
        self.maximum = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration in seconds."""
        self.count += 1
        self.total += seconds
        if seconds > self.maximum:
            self.maximum = seconds
        index = math.ceil(math.log(seconds / self._LEAST) / self._GROWTH) if seconds > self._LEAST else 0
        self._buckets[index] = self._buckets.get(index, 0) + 1

    def quantile(self, q: float) -> float:
        """The duration in seconds below which the share *q* (0..1) of all lies; 0.0 when nothing was counted."""
        left = q * self.count
        for index in sorted(self._buckets):
            left -= self._buckets[index]
            if left <= 0:
                middle = self._LEAST * math.exp((index - 0.5) * self._GROWTH)
                return min(middle, self.maximum) if index else min(self._LEAST, self.maximum)
        return self.maximum

    def merge(self, other: Histogram) -> None:
        """Count everything *other* has counted."""
        for index, n in other._buckets.items():
            self._buckets[index] = self._buckets.get(index, 0) + n
        self.count += other.count
        self.total += other.total
        self.maximum = max(self.maximum, other.maximum)
