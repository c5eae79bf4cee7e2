"""Timers: a heap of moments and one sleeping call; a timer that is far away costs nothing."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from loom.clock import Clock

if TYPE_CHECKING:
    import datetime as dt

_MOST_AHEAD = 3600.0
_DEAD = 64


class Timer:
    """One moment in the future. ``repeat`` says when the next one is, given the one that was due."""

    __slots__ = ("absolute", "dead", "due", "fire", "owner", "repeat", "serial")

    def __init__(
        self,
        due: float,
        serial: int,
        fire: Callable[[], None],
        repeat: Callable[[float], float] | None = None,
        absolute: bool = False,
        owner: str = "",
    ) -> None:
        self.due = due
        self.serial = serial
        self.fire = fire
        self.repeat = repeat
        self.absolute = absolute
        self.owner = owner
        self.dead = False

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.serial) < (other.due, other.serial)


class Timers:
    """All timers of a runtime. Relative ones are kept in seconds of the steady clock, absolute ones in Unix seconds.

    At most *capacity* may be waiting.
    """

    def __init__(self, clock: Clock, capacity: int = 1_000_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._steady: list[Timer] = []
        self._calendar: list[Timer] = []
        self._serial = count(1).__next__
        self._call: asyncio.TimerHandle | None = None
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def after(self, seconds: float, fire: Callable[[], None], owner: str = "") -> Timer:
        """Call *fire* once, *seconds* from now."""
        return self._add(Timer(self._clock.monotonic() + seconds, self._serial(), fire, None, False, owner))

    def every(self, seconds: float, fire: Callable[[], None], owner: str = "") -> Timer:
        """Call *fire* each *seconds*; beats missed while the loop was blocked are skipped, the rhythm stays."""

        def following(due: float) -> float:
            missed = max(0, int((self._clock.monotonic() - due) // seconds))
            return due + (missed + 1) * seconds

        return self._add(
            Timer(self._clock.monotonic() + seconds, self._serial(), fire, following, False, owner)
        )

    def at(self, unix_seconds: float, fire: Callable[[], None], owner: str = "") -> Timer:
        """Call *fire* once, at a moment of the calendar."""
        return self._add(Timer(unix_seconds, self._serial(), fire, None, True, owner))

    def daily(self, moment: dt.time, fire: Callable[[], None], owner: str = "") -> Timer:
        """Call *fire* every day at a local time of day."""

        def following(due: float) -> float:
            return next_daily(moment, due)

        first = following(self._clock.now_ms() / 1000)
        return self._add(Timer(first, self._serial(), fire, following, True, owner))

    def cancel(self, timer: Timer) -> None:
        """Never fire *timer* again."""
        if not timer.dead:
            timer.dead = True
            self._live -= 1
            for heap in (self._steady, self._calendar):
                if len(heap) > 2 * self._live + _DEAD:
                    heap[:] = [t for t in heap if not t.dead]
                    heapq.heapify(heap)

    def close(self) -> None:
        """Forget every timer."""
        self._steady.clear()
        self._calendar.clear()
        self._live = 0
        if self._call is not None:
            self._call.cancel()

    def _add(self, timer: Timer) -> Timer:
        if self._live >= self._capacity:
            raise OverflowError(f"{self._capacity} timers are waiting already")
        self._live += 1
        heapq.heappush(self._calendar if timer.absolute else self._steady, timer)
        self._arm()
        return timer

    def _arm(self) -> None:
        for heap in (self._steady, self._calendar):
            while heap and heap[0].dead:
                heapq.heappop(heap)
        waits = []
        if self._steady:
            waits.append(self._steady[0].due - self._clock.monotonic())
        if self._calendar:
            waits.append(self._calendar[0].due - self._clock.now_ms() / 1000)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if waits:
            wait = min(max(0.0, min(waits)), _MOST_AHEAD)
            self._call = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        self._call = None
        try:
            for heap, now in (
                (self._steady, self._clock.monotonic()),
                (self._calendar, self._clock.now_ms() / 1000),
            ):
                while heap and heap[0].due <= now + 1e-9:
                    self._fire(heap, heapq.heappop(heap))
        finally:  # one that raises must not stop the others
            self._arm()

    def _fire(self, heap: list[Timer], timer: Timer) -> None:
        if timer.dead:
            return
        if timer.repeat is None:
            timer.dead = True
            self._live -= 1
        else:
            timer.due = timer.repeat(timer.due)
            heapq.heappush(heap, timer)
        timer.fire()


def next_daily(moment: dt.time, after: float) -> float:
    """The first Unix second later than *after* at which local clocks show *moment*."""
    import datetime as dt

    day = dt.datetime.fromtimestamp(after).date()  # noqa: DTZ006 - local time is what is meant
    for ahead in range(3):
        candidate = dt.datetime.combine(day + dt.timedelta(days=ahead), moment).timestamp()
        if candidate > after + 1e-6:
            return candidate
    raise ValueError(
        f"no {moment} within three days of {after}"
    )  # pragma: no cover - a day has every time of day
