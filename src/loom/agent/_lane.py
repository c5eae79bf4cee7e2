"""An agent's lane: its queues of one QoS, taken from in the order of arrival, one event at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

from loom.agent._handlers import Handler
from loom.bus import Queue
from loom.event import Event


class Work(NamedTuple):
    """One event on its way through one handler. ``records`` are the at-once results of earlier attempts."""

    handler: Handler
    queue: Queue
    event: Event
    attempt: int
    records: list[Any]
    arrival: int = 0


class Lane:
    """The queues of one QoS of one agent. ``held`` while an event waits for its next attempt: nothing overtakes it."""

    __slots__ = ("bit", "doors", "held", "rank", "resume", "single")

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.bit = 1 << rank
        self.doors: list[tuple[Handler, Queue]] = []
        self.single: tuple[Handler, Queue] | None = None
        self.held = False
        self.resume: Work | None = None

    def add(self, handler: Handler, queue: Queue) -> None:
        """Let *queue* be part of the lane, its events for *handler*."""
        self.doors.append((handler, queue))
        self.single = self.doors[0] if len(self.doors) == 1 else None

    def waiting(self) -> bool:
        """Whether there is something to take now."""
        if self.held:
            return False
        return self.resume is not None or any(queue.items for _, queue in self.doors)

    def take(self, now_ms: float) -> Work | None:
        """The next piece of work, or None."""
        if self.resume is not None:
            work, self.resume = self.resume, None
            return work
        if self.single is not None:
            handler, queue = self.single
            event = queue.take(now_ms)
            return None if event is None else Work(handler, queue, event, 1, [])
        while True:
            open_doors = [(q.arrivals[0], i) for i, (_, q) in enumerate(self.doors) if q.arrivals]
            if not open_doors:
                return None
            arrival, index = min(open_doors)
            handler, queue = self.doors[index]
            event = queue.take(now_ms)
            if event is not None:
                return Work(handler, queue, event, 1, [], arrival)

    def sleep(self) -> None:
        """Ask every queue to say when something comes."""
        for _, queue in self.doors:
            queue.idle = True
