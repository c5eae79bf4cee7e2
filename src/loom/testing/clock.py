"""A clock that moves only when told to."""

from __future__ import annotations

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z: a day every time zone agrees to call a round number


class VirtualClock:
    """Time that stands still until somebody advances it. Begins at *now_ms* (Unix milliseconds)."""

    __slots__ = ("_began_ms", "_seconds")

    def __init__(self, now_ms: int = EPOCH_MS) -> None:
        self._began_ms = now_ms
        self._seconds = 0.0

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return self._began_ms + round(self._seconds * 1000)

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; raises ValueError if that would go back."""
        if not seconds >= 0:
            raise ValueError(f"time does not go back: advance({seconds!r})")
        self._seconds += seconds
