"""The timers of one agent: those its steps set, and the beats of ``@every``, ``@at`` and ``@cron``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loom.agent._handlers import Handler, Trigger
from loom.agent._timers import Timer
from loom.errors import LoomError
from loom.event import Event, QoS

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._ringing import Ringing
    from loom.agent._schedule import Run
    from loom.agent._timer_book import TimerBook
    from loom.agent.context import Effects
    from loom.store import Put


SetTimer = tuple[Any, ...]
"""``(kind, seconds, event)`` of a timer that is set, and its missed-run policy if one was said."""
_NONE: dict[str, Timer] = {}  # the timers of every agent that never set one; never written to


class Beats:
    """Timers by id. A beat arrives on ``loom.timer.<agent>.<handler>``; there is never more than one waiting.

    In a runtime with a store the timers of steps, and beats with a missed-run policy, are in its timer book.
    """

    __slots__ = ("_cell", "_timers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._timers: dict[str, Timer] = _NONE

    def __len__(self) -> int:
        """How many of them are in memory."""
        return len(self._timers)

    def of(self, cell: Cell) -> Beats:
        """The same timers, from now on those of *cell*."""
        self._cell = cell
        return self

    @property
    def _ringing(self) -> Ringing | None:
        return self._cell.services.timers.durable

    def puts(self, effects: Effects) -> list[Put]:
        """What keeps the timers that a step sets and cancels, to be written with its commit; *effects* lose them.

        Empty without a store. Raises InvalidEvent or PayloadTooLarge for what cannot be kept, StoreError for what
        cannot be read, and then nothing has changed.
        """
        if self._ringing is None or not (effects.timers or effects.ended):
            return []
        puts = self._changes(self._ringing, effects.timers, effects.ended)
        effects.timers, effects.ended = [], []
        return puts

    def add(self, kind: str, seconds: float, event: Event, missed: str | None = None) -> None:
        """Set a timer that publishes *event*; an ``every`` timer publishes a copy each time.

        *seconds* is from now on for ``after`` and ``every``, Unix time for ``at``. *missed* is a missed-run policy; by
        default ``after`` and ``at`` fire late, and ``every`` goes on with its rhythm. Raises OverflowError when too
        many wait; in a runtime with a store a timer that cannot be kept is a dead letter.
        """
        if self._ringing is not None:
            try:
                self._ringing.keep(self._changes(self._ringing, [(kind, seconds, event, missed)], []))
            except LoomError as error:  # its step has ended: nobody is there to hear of it
                services = self._cell.services
                services.bury(self._cell.name, event, "timer_not_kept", f"{type(error).__name__}: {error}")
        elif kind == "every":
            self._own()[event.id] = self._every(seconds, event, missed)
        else:
            timers, owner = self._cell.services.timers, self._cell.name
            make = timers.after if kind == "after" else timers.at
            late_ms = seconds * 1000 if kind == "at" and missed == "skip" else math.inf
            self._own()[event.id] = make(seconds, lambda: self._fire(event, late_ms), owner)

    def waits(self, number: str) -> bool:
        """Whether the timer whose event has this id is still to fire."""
        timer = self._timers.get(number)
        if timer is None and self._ringing is not None:
            return self._ringing.book.get(self._cell.name, number) is not None
        return timer is not None and not timer.dead

    def cancel(self, number: str) -> bool:
        """Cancel the timer whose event has this id."""
        timer = self._timers.pop(number, None)
        if timer is None and self._ringing is not None:
            puts = self._ringing.book.puts_for_gone(self._cell.name, number)
            self._ringing.keep(puts)
            return bool(puts)
        if timer is None or timer.dead:
            return False
        self._cell.services.timers.cancel(timer)
        return True

    def clear(self) -> None:
        """Cancel every timer that is in memory; those in the book stay there, its beats in silence."""
        for number in list(self._timers):
            self.cancel(number)
        if self._ringing is not None:
            self._ringing.book.silence(self._cell.name)

    def start(self, handlers: tuple[Handler, ...]) -> None:
        """Begin the beats of *handlers*; those of an earlier life end, those in the book go on. Raises StoreError."""
        ringing = self._ringing
        beating = [h for h in handlers if h.trigger.schedule is not None]
        if ringing is not None and (beating or self._cell.spec.key is None):
            self._go_on(ringing, [h for h in beating if _durable(h.trigger)])
            beating = [h for h in beating if not _durable(h.trigger)]
        for handler in beating:
            if f"@{handler.name}" in self._timers:
                self.cancel(f"@{handler.name}")
            self._begin(handler)

    def _go_on(self, ringing: Ringing, handlers: list[Handler]) -> None:
        """Let the beats in the book fire, those of new handlers too; those of handlers that are gone go."""
        from loom.agent._timer_book import Beat

        wanted: dict[str, Beat] = {}
        for handler in handlers:
            trigger = handler.trigger
            assert trigger.schedule is not None
            topic = timer_topic(self._cell.name, handler)
            wanted[f"@{handler.name}"] = Beat(trigger.schedule, trigger.missed, topic)
        services = self._cell.services
        services.timers.look()
        ringing.keep(ringing.book.beats(self._cell.name, wanted, services.clock.now_ms()))

    def _every(self, seconds: float, event: Event, missed: str | None) -> Timer:
        timers, owner = self._cell.services.timers, self._cell.name
        if missed is None:
            return timers.every(seconds, lambda: self._repeat(event), owner)
        from loom.agent._schedule import every_schedule

        return timers.scheduled(every_schedule(seconds), missed, lambda run: self._repeat(event, run), owner)

    def _changes(self, ringing: Ringing, timers: Sequence[SetTimer], ended: Sequence[str]) -> list[Put]:
        """What to write for timers that are set and cancelled: all of it, or an error and nothing."""
        from loom.agent._ringing import pack

        services, owner, book = self._cell.services, self._cell.name, ringing.book
        services.timers.look()
        leaves: list[Put] = []
        puts: list[Put] = []
        try:
            packed = [(timer, pack(timer[2], ringing.vault, leaves)) for timer in timers]
            for number in ended:
                puts += book.puts_for_gone(owner, number)
            for timer, row in packed:
                puts += self._set(book, timer, row)
        except LoomError:
            book.dropped(puts, services.clock.now_ms())
            ringing.vault.forget()  # leaves that are not written are not kept
            raise
        return leaves + puts

    def _set(self, book: TimerBook, timer: SetTimer, row: bytes) -> list[Put]:
        from loom.agent._schedule import DEFAULTS, every_schedule

        kind, seconds, event, *said = timer
        owner, now = self._cell.name, self._cell.services.clock.now_ms()
        policy = (said and said[0]) or DEFAULTS[kind]
        if kind == "after":
            return book.set_after(owner, event.id, seconds, row, policy, now)
        if kind == "at":
            return book.set_at(owner, event.id, seconds * 1000, row, policy)
        return book.set_every(owner, event.id, every_schedule(seconds), row, policy, now)

    def _own(self) -> dict[str, Timer]:
        if self._timers is _NONE:
            self._timers = {}
        return self._timers

    def _begin(self, handler: Handler) -> None:
        services, name, trigger = self._cell.services, self._cell.name, handler.trigger
        assert trigger.schedule is not None
        topic = timer_topic(name, handler)

        def fire(run: Run | None = None) -> None:
            now = services.clock.now_ms()
            metadata = run.metadata if run is not None and run.metadata else None
            event = Event("timer", topic=topic, source="loom", timestamp_ms=now, metadata=metadata)
            services.bus.offer(event)

        if trigger.every is not None and trigger.missed == "skip":
            timer = services.timers.every(trigger.every, fire, name)
        else:
            timer = services.timers.scheduled(trigger.schedule, trigger.missed, fire, name)
        self._own()[f"@{handler.name}"] = timer

    def _fire(self, event: Event, late_ms: float) -> None:
        del self._timers[event.id]
        from loom.agent._schedule import GRACE_MS

        if self._cell.services.clock.now_ms() <= late_ms + GRACE_MS:
            self._cell.outbox.push(event)

    def _repeat(self, event: Event, run: Run | None = None) -> None:
        changes: dict[str, Any] = {"timestamp_ms": self._cell.services.clock.now_ms()}
        if run is not None and run.metadata:
            changes["metadata"] = {**event.metadata, **run.metadata}
        self._cell.outbox.push(event.replace(**changes))


def _durable(trigger: Trigger) -> bool:
    """Whether the beats of a handler are kept: skipping what was missed needs no memory, REALTIME has none."""
    return trigger.durable and trigger.missed != "skip" and trigger.qos is not QoS.REALTIME


def timer_topic(agent: str, handler: Handler) -> str:
    """The topic on which the beats of a handler arrive."""
    return f"loom.timer.{agent}.{handler.name.rpartition('.')[2]}"
