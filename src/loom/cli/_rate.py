"""How fast a count grows, smoothed over the last readings."""

from __future__ import annotations

from collections import deque


class Rate:
    """Call it with a count and the time in seconds; it answers how much the count grew per second lately."""

    def __init__(self, readings: int = 8) -> None:
        self._seen: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=readings)

    def __call__(self, number: float, seconds: float) -> float:
        """The growth per second since the oldest reading that is kept."""
        before, at = self._seen[0]
        self._seen.append((number, seconds))
        return (number - before) / (seconds - at) if seconds > at else 0.0
