"""The mailbox of one instance of a keyed agent: what its herd has handed over, accounted for in the herd's queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loom.bus import Queue
from loom.event import Event


class Mailbox(Queue):
    """A small queue before one instance. What ends here ends in ``host``, the queue the event came through."""

    __slots__ = ("host",)

    def __init__(self, host: Any, lost: Callable[[Mailbox, Event, str], None], **options: Any) -> None:
        super().__init__(host.name, **options)
        self.host = host
        self.on_loss = lost  # type: ignore[assignment]  # which takes mailboxes, and gets no other queue

    @property
    def durable(self) -> bool:  # type: ignore[override]  # a constant of other queues
        """Whether the host is a durable subscription."""
        return bool(self.host.durable)

    @property
    def cursor(self) -> Any:
        """The place of the host in the journal."""
        return self.host.cursor

    def missing_before(self, arrival: int) -> bool:
        """Whether an older event may have still to come: none, the herd hands them out in order."""
        return False

    @property
    def delivered(self) -> int:
        """Events handled; each is counted in the host too."""
        count: int = _delivered.__get__(self)
        return count

    @delivered.setter
    def delivered(self, count: int) -> None:
        done = count - _delivered.__get__(self) if count else 0
        _delivered.__set__(self, count)
        if done > 0:
            self.host.settle(done)
            self.host.owner.dispatch()


_delivered: Any = Queue.__dict__["delivered"]
