"""The timers of one agent: those its steps set, and the beats of ``@every``, ``@at`` and ``@cron``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from loom.agent._handlers import Handler
from loom.agent._schedule import GRACE_MS, every_schedule
from loom.agent._timers import Timer
from loom.event import Event

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._schedule import Run, Schedule


_NONE: dict[str, Timer] = {}  # the timers of every agent that never set one; never written to


class Beats:
    """Timers by id. A beat arrives on ``loom.timer.<agent>.<handler>``; there is never more than one waiting."""

    __slots__ = ("_cell", "_timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._timers: dict[str, Timer] = _NONE

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, kind: str, seconds: float, event: Event, missed: str | None = None) -> None:
        """Set a timer that publishes *event*; an ``every`` timer publishes a copy each time.

        *seconds* is from now on for ``after`` and ``every``, Unix time for ``at``. *missed* is a missed-run policy; by
        default ``after`` and ``at`` fire late, and ``every`` goes on with its rhythm.
        """
        timers, owner = self._cell.services.timers, self._cell.name
        if kind == "every":
            if missed is None:
                timer = timers.every(seconds, lambda: self._repeat(event), owner)
            else:
                schedule = every_schedule(seconds)
                timer = timers.scheduled(schedule, missed, lambda run: self._repeat(event, run), owner)
        else:
            make = timers.after if kind == "after" else timers.at
            late_ms = (seconds * 1000 + GRACE_MS) if kind == "at" and missed == "skip" else math.inf
            timer = make(seconds, lambda: self._fire(event, late_ms), owner)
        self._own()[event.id] = timer

    def waits(self, number: str) -> bool:
        """Whether the timer whose event has this id is still to fire."""
        timer = self._timers.get(number)
        return timer is not None and not timer.dead

    def cancel(self, number: str) -> bool:
        """Cancel the timer whose event has this id."""
        timer = self._timers.pop(number, None)
        if timer is None or timer.dead:
            return False
        self._cell.services.timers.cancel(timer)
        return True

    def clear(self) -> None:
        """Cancel every timer."""
        for number in list(self._timers):
            self.cancel(number)

    def start(self, handlers: tuple[Handler, ...]) -> None:
        """Begin the beats of *handlers*, those of an earlier life ended."""
        for handler in handlers:
            if handler.trigger.schedule is not None:
                self.cancel(f"@{handler.name}")
                self._begin(handler, handler.trigger.schedule)

    def _own(self) -> dict[str, Timer]:
        if self._timers is _NONE:
            self._timers = {}
        return self._timers

    def _begin(self, handler: Handler, schedule: Schedule) -> None:
        services, name, trigger = self._cell.services, self._cell.name, handler.trigger
        topic = timer_topic(name, handler)

        def fire(run: Run | None = None) -> None:
            now = services.clock.now_ms()
            metadata = run.metadata if run is not None and run.metadata else None
            event = Event("timer", topic=topic, source="loom", timestamp_ms=now, metadata=metadata)
            services.bus.offer(event)

        if trigger.every is not None and trigger.missed == "skip":
            timer = services.timers.every(trigger.every, fire, name)
        else:
            timer = services.timers.scheduled(schedule, trigger.missed, fire, name)
        self._own()[f"@{handler.name}"] = timer

    def _fire(self, event: Event, late_ms: float) -> None:
        del self._timers[event.id]
        if self._cell.services.clock.now_ms() <= late_ms:
            self._cell.outbox.push(event)

    def _repeat(self, event: Event, run: Run | None = None) -> None:
        changes: dict[str, Any] = {"timestamp_ms": self._cell.services.clock.now_ms()}
        if run is not None and run.metadata:
            changes["metadata"] = {**event.metadata, **run.metadata}
        self._cell.outbox.push(event.replace(**changes))


def timer_topic(agent: str, handler: Handler) -> str:
    """The topic on which the beats of a handler arrive."""
    return f"loom.timer.{agent}.{handler.name.rpartition('.')[2]}"
