"""What to do when a handler fails: pure decisions about retries, restarts and parking."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from random import Random


class Retry(NamedTuple):
    """How often an event is tried and how long to wait in between.

    The delay before attempt n+1 is ``base * factor**(n-1)`` seconds, at most ``limit``, times a random factor within
    ``1 +- jitter`` (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    attempts: int = 3
    base: float = 0.1
    factor: float = 2.0
    limit: float = 30.0
    jitter: float = 0.2

    def delay(self, failures: int, random: Random) -> float | None:
        """Seconds to wait after *failures* failed attempts, or None to give the event up."""
        if failures >= self.attempts:
            return None
        return backoff(self.base, self.factor, self.limit, self.jitter, failures, random)


class Restart(NamedTuple):
    """When an agent is made anew and when it is parked.

    ``failures`` events given up within ``window`` seconds restart it; more than ``restarts`` restarts within ``window``
    seconds park it until somebody unparks it.
    """

    failures: int = 5
    restarts: int = 3
    window: float = 60.0
    base: float = 0.5
    factor: float = 2.0
    limit: float = 30.0
    jitter: float = 0.2


class Health:
    """The recent failures and restarts of one agent."""

    __slots__ = ("_failures", "_policy", "_restarts")

    def __init__(self, policy: Restart) -> None:
        self._policy = policy
        self._failures: deque[float] = deque(maxlen=max(1, policy.failures))
        self._restarts: deque[float] = deque(maxlen=policy.restarts + 1)

    def failed(self, now: float) -> bool:
        """Note an event given up at *now* (seconds); True if the agent is to restart."""
        self._failures.append(now)
        first = self._failures[0]
        return len(self._failures) == self._policy.failures and now - first <= self._policy.window

    def restart(self, now: float, random: Random) -> float | None:
        """Note a restart at *now*; seconds to wait before it, or None to park the agent."""
        self._failures.clear()
        self._restarts.append(now)
        recent = sum(now - moment <= self._policy.window for moment in self._restarts)
        if recent > self._policy.restarts:
            return None
        p = self._policy
        return backoff(p.base, p.factor, p.limit, p.jitter, recent, random)

    def forgive(self) -> None:
        """Forget everything, as when somebody unparks the agent."""
        self._failures.clear()
        self._restarts.clear()


def backoff(base: float, factor: float, limit: float, jitter: float, failures: int, random: Random) -> float:
    """The seconds to wait after the *failures*-th failure in a row (1 is the first)."""
    exponent = min(failures - 1, 64)
    return min(limit, base * factor**exponent) * (1 + jitter * (2 * random.random() - 1))


class Counts:
    """How often the steps of one agent ended otherwise than by a commit."""

    __slots__ = ("cancelled", "failed", "given_up", "interrupted")

    def __init__(self) -> None:
        self.failed = self.cancelled = self.interrupted = self.given_up = 0
