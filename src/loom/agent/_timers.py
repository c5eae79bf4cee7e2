"""Timers: a heap of moments and one sleeping call; a timer that is far away costs nothing."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from loom.agent._clock_watch import ClockWatch
from loom.clock import Clock

if TYPE_CHECKING:
    import datetime as dt

    from loom.agent._ringing import Ringing
    from loom.agent._schedule import Run, Schedule

_MOST_AHEAD = 3600.0
_LOOK_AGAIN = 60.0
"""While something waits for the calendar: nothing tells a process that its clock was set, or that it slept."""
_DEAD = 64


class Plan:
    """A schedule with its missed-run policy; ``last_ms`` is the last run that was dealt with."""

    __slots__ = ("last_ms", "policy", "schedule")

    def __init__(self, schedule: Schedule, policy: str) -> None:
        self.schedule = schedule
        self.policy = policy
        self.last_ms: int | None = None


class Timer:
    """One moment in the future. ``repeat`` says when the next one is, given the one that was due; or a plan does."""

    __slots__ = ("absolute", "dead", "due", "fire", "owner", "plan", "repeat", "serial")

    def __init__(
        self,
        due: float,
        serial: int,
        fire: Callable[..., None],
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
        self.plan: Plan | None = None

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.serial) < (other.due, other.serial)


class Timers:
    """All timers of a runtime. Relative ones are kept in seconds of the steady clock, absolute ones in Unix seconds.

    At most *capacity* may be waiting. ``on_jump`` is called with the milliseconds by which the calendar clock jumped
    against the steady one, before anything fires because of it; a jump is seen within a minute while something waits
    for the calendar, and otherwise when the next timer fires. ``durable`` are the timers that are kept in a store; they
    are rung from here.
    """

    def __init__(self, clock: Clock, capacity: int = 1_000_000) -> None:
        self._clock = clock
        self._capacity = capacity
        self._steady: list[Timer] = []
        self._calendar: list[Timer] = []
        self._serial = count(1).__next__
        self._call: asyncio.TimerHandle | None = None
        self._live = 0
        self._watch = ClockWatch(clock.now_ms(), clock.monotonic())
        self.on_jump: Callable[[int], None] | None = None
        self.durable: Ringing | None = None

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
        from loom.agent._schedule import at_schedule

        return self.scheduled(at_schedule(moment.isoformat(), None), "once", lambda run: fire(), owner)

    def scheduled(
        self, schedule: Schedule, policy: str, fire: Callable[[Run], None], owner: str = ""
    ) -> Timer:
        """Call *fire* for each run of *schedule*, from the next one on; missed runs go by *policy*.

        Runs of an ``Every`` follow the steady clock, others the calendar.
        """
        from loom.agent._calendar import Calendar
        from loom.agent._schedule import next_due

        absolute = isinstance(schedule, Calendar)
        first = next_due(schedule, self._reading(absolute))
        timer = Timer((first or 0) / 1000, self._serial(), fire, None, absolute, owner)
        timer.plan = Plan(schedule, policy)
        timer.dead = first is None
        return timer if timer.dead else self._add(timer)

    def look(self) -> None:
        """Compare the clocks, and take in a jump of the calendar."""
        now = self._clock.now_ms()
        by_ms = self._watch.look(now, self._clock.monotonic())
        if not by_ms:
            return
        if by_ms < 0:
            self._rebase()
        if self.durable is not None:
            self.durable.jumped(by_ms, now)
        if self.on_jump is not None:
            self.on_jump(by_ms)

    def arm(self) -> None:
        """Sleep until the nearest timer; to be called when a durable one may be due sooner than before."""
        wait = self._wait()
        if wait is None:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + wait
        if self._call is not None:
            if self._call.when() <= when:
                return  # it rings early enough, and then looks again
            self._call.cancel()
        self._call = loop.call_at(when, self._ring)

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
        self.durable = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _add(self, timer: Timer) -> Timer:
        if self._live >= self._capacity:
            raise OverflowError(f"{self._capacity} timers are waiting already")
        self._live += 1
        heapq.heappush(self._calendar if timer.absolute else self._steady, timer)
        self.arm()
        return timer

    def _wait(self) -> float | None:
        """Seconds until something may be due; None when nothing waits."""
        for heap in (self._steady, self._calendar):
            while heap and heap[0].dead:
                heapq.heappop(heap)
        waits = []
        if self._steady:
            waits += [self._steady[0].due - self._clock.monotonic(), _MOST_AHEAD]
        if self._calendar:
            waits += [self._calendar[0].due - self._clock.now_ms() / 1000, _LOOK_AGAIN]
        if self.durable is not None and (due := self.durable.next_due_ms()) is not None:
            ahead = _LOOK_AGAIN if self.durable.by_calendar else _MOST_AHEAD
            waits += [(due - self._clock.now_ms()) / 1000, ahead]
        return max(0.0, min(waits)) if waits else None

    def _ring(self) -> None:
        self._call = None
        try:
            self.look()
            for heap, now in (
                (self._steady, self._clock.monotonic()),
                (self._calendar, self._clock.now_ms() / 1000),
            ):
                while heap and heap[0].due <= now + 1e-9:
                    self._fire(heap, heapq.heappop(heap))
            if self.durable is not None:
                self.durable.ring(self._clock.now_ms())
        finally:  # one that raises must not stop the others
            self.arm()

    def _fire(self, heap: list[Timer], timer: Timer) -> None:
        if timer.dead:
            return
        if timer.plan is not None:
            self._fire_runs(heap, timer, timer.plan)
            return
        if timer.repeat is None:
            timer.dead = True
            self._live -= 1
        else:
            timer.due = timer.repeat(timer.due)
            heapq.heappush(heap, timer)
        timer.fire()

    def _fire_runs(self, heap: list[Timer], timer: Timer, plan: Plan) -> None:
        from loom.agent._schedule import due_runs

        now = self._reading(timer.absolute)
        due = round(timer.due * 1000)
        runs = due_runs(plan.schedule, plan.policy, due, max(due, now))
        plan.last_ms = runs.last_ms
        if runs.next_due_ms is None:
            self.cancel(timer)
        else:
            timer.due = runs.next_due_ms / 1000
            heapq.heappush(heap, timer)
        for run in runs.moved(self._clock.now_ms() - now).fire:
            timer.fire(run)

    def _rebase(self) -> None:
        """After the calendar went back: runs that were far are near again."""
        from loom.agent._schedule import rebased

        now = self._clock.now_ms()
        for timer in self._calendar:
            plan = timer.plan
            if plan is not None:
                timer.due = rebased(plan.schedule, round(timer.due * 1000), plan.last_ms, now) / 1000
        heapq.heapify(self._calendar)

    def _reading(self, absolute: bool) -> int:
        return self._clock.now_ms() if absolute else round(self._clock.monotonic() * 1000)
