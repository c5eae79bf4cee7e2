"""The reading end of the bus: an object that hands over events one at a time or in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

from loom.bus._queue import Queue, QueueStatistics
from loom.errors import Closed, WouldBlock
from loom.event import Event

if TYPE_CHECKING:
    from loom.bus._route import Entry
    from loom.bus.bus import Bus


class Subscription:
    """Events of one pattern, in order, from a bounded queue of their own.

    ``async for event in subscription`` ends when it is closed. An event counts as in flight until the next one is
    asked for. Several tasks may take from one subscription; each event goes to one of them.
    """

    __slots__ = ("_bus", "_entry", "_takers", "queue")

    def __init__(self, bus: Bus, entry: Entry) -> None:
        self._bus = bus
        self._entry = entry
        self._takers: deque[asyncio.Future[None]] = deque()
        self.queue: Queue = entry.queue
        self.queue.idle = False
        self.queue.notify = self._wake

    async def take(self) -> Event:
        """The next event; waits for one. Raises Closed once the subscription is closed."""
        queue = self.queue
        if queue.in_flight and not self._takers:
            queue.settle()
        while True:
            event = queue.take(self._bus.now_ms())
            if event is not None:
                return event
            await self._wait(None)

    def take_nowait(self) -> Event:
        """The next event, or WouldBlock."""
        self.queue.settle()
        event = self.queue.take(self._bus.now_ms())
        if event is None:
            raise Closed(f"{self.queue.name!r} is closed") if self.queue.closed else WouldBlock(
                f"{self.queue.name!r} is empty; await take() to wait for an event"
            )
        return event

    async def take_batch(self, most: int = 64, timeout: float | None = None) -> list[Event]:
        """Up to *most* events that are there; waits for the first, at most *timeout* seconds, then returns ``[]``."""
        queue = self.queue
        if queue.in_flight and not self._takers:
            queue.settle()
        while True:
            batch = queue.take_batch(most, self._bus.now_ms())
            if batch:
                return batch
            try:
                await self._wait(timeout)
            except TimeoutError:
                return []

    def close(self) -> None:
        """Stop receiving: queued events end as cancelled, waiting publishers are told, iteration ends."""
        if not self.queue.closed:
            self._bus.detach(self._entry)
            self.queue.close()
            while self._takers:
                self._wake()

    def statistics(self) -> QueueStatistics:
        """A snapshot of the queue's counts."""
        return self.queue.statistics()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.take()
        except Closed:
            raise StopAsyncIteration from None

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _wait(self, timeout: float | None) -> None:
        if self.queue.closed:
            raise Closed(f"{self.queue.name!r} is closed")
        taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self.queue.idle = True
        try:
            if timeout is None:
                await taker
            else:
                async with asyncio.timeout(timeout):
                    await taker
        except BaseException:  # cancellation or timeout: whoever was woken in vain wakes the next one
            if taker in self._takers:
                self._takers.remove(taker)
            elif self.queue.items:
                self._wake()
            self.queue.idle = bool(self._takers)
            raise
        if self._takers and self.queue.items:
            self._wake()

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                break
        self.queue.idle = bool(self._takers)
