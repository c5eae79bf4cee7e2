"""A probe: sees every event of a pattern the moment it is published, and never slows a publisher down."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from loom.bus import Bus, Queue
from loom.event import Event, QoS


class Probe:
    """Records the events on topics of *pattern* from now on, at most the last *keep*.

    ``events`` holds them, ``payloads`` and ``topics`` show them; ``count`` is how many there were.
    """

    def __init__(self, bus: Bus, pattern: str = ">", keep: int = 100_000) -> None:
        self.events: list[Event] = []
        self.count = 0
        self._bus = bus
        self._keep = keep
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._queue = Queue(f"probe {pattern}", QoS.REALTIME, 1024)
        self._queue.notify = self._record
        self._entry = bus.attach(pattern, self._queue)

    @property
    def payloads(self) -> list[Any]:
        """The payloads of the recorded events."""
        return [event.payload for event in self.events]

    @property
    def topics(self) -> list[str]:
        """The topics of the recorded events."""
        return [event.topic for event in self.events]

    async def wait(self, count: int = 1, timeout: float = 60.0) -> list[Event]:
        """Return when *count* events have come in all; TimeoutError after *timeout* seconds says how many did."""
        if self.count < count:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((count, future))
            try:
                async with asyncio.timeout(timeout):
                    await future
            except TimeoutError:
                seen = f"{self.count} of {count} events after {timeout} s"
                raise TimeoutError(
                    f"{self._queue.name}: {seen}; the last topics: {self.topics[-5:]}"
                ) from None
        return self.events[:count]

    def close(self) -> None:
        """Record no more."""
        self._bus.detach(self._entry)
        self._queue.close()

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(self) -> None:
        fresh = self._queue.take_batch(1024, 0)
        self._queue.settle()
        self.events += fresh
        self.count += len(fresh)
        del self.events[: -self._keep]
        for count, future in self._waiting:
            if self.count >= count and not future.done():
                future.set_result(None)
        self._waiting = [(c, f) for c, f in self._waiting if not f.done()]
