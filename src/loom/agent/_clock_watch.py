"""Jumps of the calendar clock: what a correction, a user or a night's sleep does to it, seen against the steady one."""

from __future__ import annotations

LEAST_JUMP_MS = 2000


class ClockWatch:
    """Compares readings of both clocks, and says by how much the calendar moved that the steady one did not."""

    __slots__ = ("_monotonic", "_now_ms")

    def __init__(self, now_ms: int, monotonic: float) -> None:
        self._now_ms = now_ms
        self._monotonic = monotonic

    def look(self, now_ms: int, monotonic: float) -> int:
        """Milliseconds by which the calendar jumped since the last look: forward over 0, 0 for two seconds or less."""
        by_ms = now_ms - self._now_ms - round((monotonic - self._monotonic) * 1000)
        self._now_ms, self._monotonic = now_ms, monotonic
        return by_ms if abs(by_ms) > LEAST_JUMP_MS else 0
