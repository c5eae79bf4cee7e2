"""Durable subscriptions outside of agents: read in a loop, settled when the next event is asked for."""

from __future__ import annotations

from loom.event import Event
from loom.journal.queue import DurableQueue


class FollowerQueue(DurableQueue):
    """The queue of a durable subscription that somebody reads. What was taken is settled with the next take."""

    __slots__ = ("taken",)

    def take(self, now_ms: float) -> Event | None:
        """Hand over the oldest event; None when there is none."""
        event = super().take(now_ms)
        if event is not None and event.seq:
            self._note(event.seq)
        return event

    def settle(self, count: int | None = None) -> None:
        """Count what is in flight as delivered; the journal remembers that soon, unless the queue is closed."""
        taken: list[int] = getattr(self, "taken", [])
        if taken and not self.closed:
            for seq in taken:
                self.settled(self.cursor, seq)
        self.taken: list[int] = []
        super().settle(count)

    def _note(self, seq: int) -> None:
        if not hasattr(self, "taken"):
            self.taken = []
        self.taken.append(seq)
