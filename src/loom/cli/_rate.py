"""How fast counts grow, smoothed over the last readings."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from loom.cli._camera_run import Reading


class Speed(NamedTuple):
    """Per second: frames, pages, and events that any queue accepted."""

    frames: float
    pages: float
    events: float


class Speedometer:
    """Call it with each reading; it answers how fast things went since the oldest one that it keeps."""

    def __init__(self, readings: int = 8) -> None:
        self._seen: deque[tuple[float, Speed]] = deque([(0.0, Speed(0, 0, 0))], maxlen=readings)

    def __call__(self, now: Reading) -> Speed:
        """The growth per second lately."""
        counts = Speed(now.meter.frames, now.meter.pages, sum(queue.accepted for queue in now.queues))
        at, before = self._seen[0]
        self._seen.append((now.seconds, counts))
        elapsed = max(now.seconds - at, 1e-6)
        return Speed(*((after - earlier) / elapsed for after, earlier in zip(counts, before, strict=True)))
