"""A place in the line before a full queue, or before every member of a group at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from loom.event import Event

if TYPE_CHECKING:
    from loom.bus._queue import Queue


class Ticket:
    """A publisher's place in line; its event enters the queue when its turn comes.

    ``places`` are the queues it stands before. Where it stands before several, the first that has room takes the
    event and the others forget it. ``arrival`` is its number among the events of its queue's lane, drawn when it began
    to wait: what its publisher sends later, to another queue of the lane, must not be handled before it.
    """

    __slots__ = ("arrival", "event", "granted", "places", "wake")

    def __init__(self, event: Event, wake: Callable[[], None]) -> None:
        self.event = event
        self.wake = wake
        self.granted = False
        self.arrival: int | None = None
        self.places: list[Queue] = []

    def leave(self, queue: Queue) -> None:
        """Give up the place before *queue*."""
        queue.tickets.remove(self)
        self.places.remove(queue)

    def leave_all(self) -> list[Queue]:
        """Give up every place and return where they were: those queues may have room for the next in line."""
        places, self.places = self.places, []
        for queue in places:
            queue.tickets.remove(self)
        return places
