"""Events on their way from other threads to the loop, bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from loom.event import Event


class Inbox:
    """Hands events that any thread puts in to *deliver* on the loop's thread, in order, one batch for each wake-up.

    *deliver* answers whether it could use the event. Everything turned away is counted in ``refused``.
    """

    __slots__ = ("_capacity", "_closed", "_deliver", "_events", "_lock", "_loop", "refused")

    def __init__(self, capacity: int, deliver: Callable[[Event], bool]) -> None:
        self._capacity = capacity
        self._deliver = deliver
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self.refused = 0

    def serve(self) -> None:
        """Hand over on the running loop from now on, if there is one."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            pass  # made outside a loop: the next call comes from inside

    def put(self, event: Event) -> bool:
        """Let *event* travel to the loop; False, and counted, when the way is full, closed or leads nowhere."""
        with self._lock:
            if self._closed or self._loop is None or len(self._events) >= self._capacity:
                self.refused += 1
                return False
            self._events.append(event)
            return len(self._events) > 1 or self._call(self._loop)

    def close(self) -> None:
        """Turn away what is on its way and whatever comes."""
        with self._lock:
            self._closed = True
            self.refused += len(self._events)
            self._events.clear()

    def __len__(self) -> int:
        return len(self._events)

    def _call(self, loop: asyncio.AbstractEventLoop) -> bool:
        try:
            loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # that loop is closed
            self._events.clear()
            self.refused += 1
            return False
        return True

    def _drain(self) -> None:
        """Deliver what is there now. What comes meanwhile has its own wake-up, so a fast thread starves nobody."""
        with self._lock:
            batch, self._events = self._events, []
        useless = sum(not self._deliver(event) for event in batch)
        if useless:
            with self._lock:
                self.refused += useless
