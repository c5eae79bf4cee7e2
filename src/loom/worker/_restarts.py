"""When a process that died may be started again, and what whoever asks before that is told. Time is passed in."""

from __future__ import annotations

from loom.errors import LoomError
from loom.worker._vigilance import restart_delay
from loom.worker.limits import WorkerLimits


class Restarts:
    """Deaths in a row, each with a longer pause after it; `worked` ends the row.

    When it was the start that failed, the pause need not be waited for: until it is over everybody gets that failure.
    """

    __slots__ = ("_at", "_deaths", "_failure", "_limits")

    def __init__(self, limits: WorkerLimits) -> None:
        self._limits = limits
        self._deaths = 0
        self._at = 0.0
        self._failure: LoomError | None = None

    def worked(self) -> None:
        """It has answered."""
        self._deaths = 0

    def died(self, now: float) -> None:
        """It is gone."""
        self._deaths += 1
        self._at = now

    def started(self, failure: LoomError | None) -> None:
        """A start has ended, well or with *failure*."""
        self._failure = failure

    def pause(self, now: float) -> float:
        """Seconds until it may be started."""
        return max(0.0, self._at + restart_delay(self._deaths, self._limits) - now)

    def refusal(self, now: float) -> LoomError | None:
        """What to say to whoever asks now; None when a start is worth the try."""
        if self._failure is None or not self.pause(now):
            return None
        return self._failure.with_traceback(None)  # it grows with each raise
