"""The queue of a durable subscription: what does not fit stays in the journal and is read from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loom.bus import Queue
from loom.event import Event

if TYPE_CHECKING:
    from loom.journal.cursor import Cursor

BITS = 40
"""Arrivals of a durable runtime are journal numbers with so many bits for what arrives in between."""


class DurableQueue(Queue):
    """A queue whose journalled events are never refused: without room its cursor falls behind and reads them later.

    Events that were not journalled are treated as by any other queue. ``settled`` hears of journalled events that ended
    here without a step: they were cancelled. ``plain``: nothing but a place in the journal is kept of each event.
    """

    __slots__ = ("cursor", "plain", "settled")
    durable = True

    def __init__(
        self, name: str, cursor: Cursor, settled: Callable[[Cursor, int], None], **options: Any
    ) -> None:
        super().__init__(name, **options)
        self.cursor = cursor
        self.settled = settled
        self.plain = self.simple  # but for its place in the journal
        self.simple = False
        self.limit = 0
        cursor.queues.append(self)

    def has_room(self, event: Event) -> bool:
        """Whether *event* needs no waiting: a journalled one never does."""
        return event.seq > 0 or super().has_room(event)

    def put(self, event: Event) -> bool:
        """Take *event* in, or leave it to the journal."""
        seq = event.seq
        if not seq:
            return super().put(event)
        cursor = self.cursor
        if seq <= cursor.delivered or cursor.behind:
            return True
        if self.closed or not self.takes(event):
            cursor.behind = True
            return True
        cursor.look_at(seq, wanted=True)
        if self.plain and self.on_accept is None:  # what _accept() would do
            self.accepted += 1
            self.items.append(event)
            if self.idle:
                self.notify()
        else:
            self._accept(event)
        return True

    def takes(self, event: Event) -> bool:
        """Whether a journalled *event* fits in; what does not is read from the journal later."""
        if len(self.items) >= self.capacity:
            return False
        return self._by_topic is None or self._by_topic[event._topic] < (self.shed_at or 0)

    def missing_before(self, arrival: int) -> bool:
        """Whether an event older than *arrival* may have still to be read from the journal."""
        return self.cursor.behind and self.cursor.delivered < (arrival - 1) >> BITS

    def take(self, now_ms: float) -> Event | None:
        """Hand over the oldest event, now in flight; None when there is none."""
        if not self.plain or self.tickets:
            event = super().take(now_ms)
            self._moved()
            return event
        items = self.items
        if not items:
            return None
        event = items.popleft()
        self.in_flight += 1
        if self.cursor.behind or self.cursor.waiters:
            self._moved()
        return event

    def drop(self, event: Event) -> None:
        """Count a journalled *event*, later than all before, as accepted and cancelled."""
        if self.closed or self.cursor.behind or event.seq <= self.cursor.delivered:
            return
        self.cursor.look_at(event.seq, wanted=True)
        self.accepted += 1
        self.cancelled += 1
        self.settled(self.cursor, event.seq)
        self._lost(event, "cancelled")

    def cancel(self, doomed: Callable[[Event], bool]) -> int:
        """Take out every event for which *doomed* is true; the journalled ones are settled by that."""
        gone = [event.seq for event in self.items if event.seq and doomed(event)]
        ended = super().cancel(doomed)
        for seq in gone:
            self.settled(self.cursor, seq)
        if gone:
            self._moved()
        return ended

    def close(self) -> None:
        """End the queue; publishers that wait for room in it are turned away."""
        super().close()
        if self.cursor.closed:
            self.cursor.turn_away()

    def settle_cancelled(self, event: Event) -> None:
        """Count one event in flight as cancelled; the journal forgets it too, unless the queue is closed."""
        if event.seq and not self.closed:
            self.settled(self.cursor, event.seq)
        super().settle_cancelled(event)

    def _moved(self) -> None:
        """There is more room than before: for what is in the journal, else for those who wait."""
        cursor = self.cursor
        if cursor.behind and len(self.items) <= self.capacity >> 1:
            cursor.more()
        elif cursor.waiters:
            cursor.grant()

    def _accept(self, event: Event, arrival: int | None = None) -> None:
        super()._accept(event, event.seq << BITS or arrival)  # the journal's order counts, after a crash too

    def _relimit(self) -> None:
        self.limit = 0


def cursor_of(queue: Queue) -> Cursor | None:
    """The place in the journal of a durable queue, or of the one behind a mailbox; None for another."""
    cursor: Cursor | None = getattr(queue, "cursor", None) if queue.durable else None
    return cursor
