"""When to start again, when to believe that a worker is gone, when it says too much: pure decisions."""

from __future__ import annotations

from loom.worker.limits import WorkerLimits


def restart_delay(failures: int, limits: WorkerLimits) -> float:
    """Seconds before the next start after *failures* deaths in a row: none after the first, then doubling."""
    if failures <= 1:
        return 0.0
    exponent = min(failures - 2, 60)
    return min(limits.backoff_max, limits.backoff_first * 2.0**exponent)


def overdue(heard: float | None, ticked: float, now: float, limits: WorkerLimits) -> bool:
    """Whether a busy worker last heard at *heard* is gone at *now*; one never heard of has its start timeout instead.

    *ticked* is when this question was asked before. When the host itself was held up (a suspended laptop, a
    blocked loop) the worker gets another interval: its heartbeats may still wait in the socket.
    """
    if heard is None or now - ticked > 2 * limits.heartbeat:
        return False
    return now - heard > limits.heartbeat_timeout


class Allowance:
    """A token bucket for what a worker says unasked: *burst* at once, *rate* a second on average."""

    __slots__ = ("_burst", "_left", "_rate", "_then")

    def __init__(self, burst: int, rate: float, now: float) -> None:
        self._burst, self._rate = float(burst), rate
        self._left, self._then = float(burst), now

    def take(self, now: float) -> bool:
        """Use one token; False when there is none."""
        self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
