"""The timers of one agent: those its steps set, and the beats of ``@every`` and ``@at``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loom.agent._handlers import Handler
from loom.agent._timers import Timer
from loom.event import Event

if TYPE_CHECKING:
    from loom.agent._cell import Cell


_NONE: dict[str, Timer] = {}  # the timers of every agent that never set one; never written to


class Beats:
    """Timers by id. A beat arrives on ``loom.timer.<agent>.<handler>``; there is never more than one waiting."""

    __slots__ = ("_cell", "_timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._timers: dict[str, Timer] = _NONE

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, kind: str, seconds: float, event: Event) -> None:
        """Set a timer that publishes *event*; an ``every`` timer publishes a copy each time."""
        timers = self._cell.services.timers
        make = {"after": timers.after, "every": timers.every, "at": timers.at}[kind]
        self._own()[event.id] = make(seconds, lambda: self._fire(event, kind), self._cell.name)

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
            if handler.trigger.every is not None or handler.trigger.at is not None:
                self.cancel(f"@{handler.name}")
                self._begin(handler)

    def _own(self) -> dict[str, Timer]:
        if self._timers is _NONE:
            self._timers = {}
        return self._timers

    def _begin(self, handler: Handler) -> None:
        services, name, trigger = self._cell.services, self._cell.name, handler.trigger
        topic = timer_topic(name, handler)

        def fire() -> None:
            now = services.clock.now_ms()
            services.bus.offer(Event("timer", topic=topic, source="loom", timestamp_ms=now))

        if trigger.every is not None:
            self._own()[f"@{handler.name}"] = services.timers.every(trigger.every, fire, name)
        elif trigger.at is not None:
            self._own()[f"@{handler.name}"] = services.timers.daily(trigger.at, fire, name)

    def _fire(self, event: Event, kind: str) -> None:
        now = self._cell.services.clock.now_ms()
        if kind == "every":
            event = event.replace(timestamp_ms=now)
        else:
            del self._timers[event.id]
        self._cell.outbox.push(event)


def timer_topic(agent: str, handler: Handler) -> str:
    """The topic on which the beats of a handler arrive."""
    return f"loom.timer.{agent}.{handler.name.rpartition('.')[2]}"
