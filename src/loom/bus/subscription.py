"""The reading end of the bus: an object that hands over events one at a time or in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING

from loom.bus._queue import Queue
from loom.bus._statistics import QueueStatistics
from loom.errors import Closed, ConfigError, WouldBlock
from loom.event import Event, QoS

if TYPE_CHECKING:
    from loom.bus._route import Entry
    from loom.bus.bus import Bus


class Subscription:
    """Events of one pattern, in order, from a bounded queue of their own.

    ``async for event in subscription`` ends when it is closed. Several tasks may take from one subscription; each
    event goes to one of them. An event counts as in flight until the next one is asked for, by any of them.
    """

    __slots__ = ("_bus", "_entry", "_now_ms", "_takers", "queue")

    def __init__(self, bus: Bus, entry: Entry) -> None:
        self._bus = bus
        self._entry = entry
        self._takers: deque[asyncio.Future[None]] = deque()
        self.queue: Queue = entry.queue
        self._now_ms = bus.now_ms if self.queue.qos is QoS.REALTIME else _no_time
        self.queue.idle = False
        self.queue.notify = self._wake

    async def take(self) -> Event:
        """The next event; waits for one. Raises Closed once the subscription is closed.

        Gives the loop its turn once a slice even when there is always something to take.
        """
        queue, bus = self.queue, self._bus
        if queue.in_flight:
            queue.settle()
        if queue.items and bus.monotonic() > bus.slice_end:
            await bus.breathe()
        while True:
            event = queue.take(self._now_ms())
            if event is not None:
                return event
            await self._wait()

    def take_nowait(self) -> Event:
        """The next event, or WouldBlock."""
        self.queue.settle()
        event = self.queue.take(self._now_ms())
        if event is not None:
            return event
        if self.queue.closed:
            raise Closed(f"{self.queue.name!r} is closed")
        raise WouldBlock(f"{self.queue.name!r} is empty; await take() to wait for an event")

    async def take_batch(self, most: int = 64, timeout: float | None = None) -> list[Event]:
        """Up to *most* events that are there; waits for the first, at most *timeout* seconds, then returns ``[]``."""
        queue = self.queue
        if queue.in_flight:
            queue.settle()
        if queue.items and self._bus.monotonic() > self._bus.slice_end:
            await self._bus.breathe()
        batch = queue.take_batch(most, self._now_ms())
        if batch:
            return batch
        if most < 1:
            raise ConfigError(f"take_batch takes at least 1 event, not {most}")
        if timeout is None:
            return await self._next_batch(most)
        try:
            async with asyncio.timeout(timeout):
                return await self._next_batch(most)
        except TimeoutError:  # what came at the last moment is not left behind
            return queue.take_batch(most, self._now_ms())

    def close(self) -> None:
        """Stop receiving: queued events end as cancelled, waiting publishers are told, iteration ends."""
        if not self.queue.closed:
            self._bus.detach(self._entry)
            self.queue.close()
            self.queue.settle()
            self._wake()

    def statistics(self) -> QueueStatistics:
        """A snapshot of the queue's counts."""
        return self.queue.statistics()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        queue, bus = self.queue, self._bus
        if queue.items and bus.monotonic() <= bus.slice_end:  # as take() would, a coroutine cheaper
            queue.settle()
            event = queue.take(self._now_ms())
            if event is not None:
                return event
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

    async def _next_batch(self, most: int) -> list[Event]:
        while True:
            await self._wait()
            batch = self.queue.take_batch(most, self._now_ms())
            if batch:
                return batch

    async def _wait(self) -> None:
        """Return when there may be something to take; raise Closed when there never will be."""
        if self.queue.closed:
            raise Closed(f"{self.queue.name!r} is closed")
        taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self.queue.idle = True
        try:
            await taker
        except BaseException:  # cancellation or timeout: whoever was woken in vain wakes the next one
            if taker in self._takers:
                self._takers.remove(taker)
                self.queue.idle = bool(self._takers)
            else:
                self._pass_on()
            raise
        self._pass_on()

    def _pass_on(self) -> None:
        """Wake the next taker if there is still something for it."""
        if self._takers and (self.queue.items or self.queue.closed):
            self._wake()

    def _wake(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                break
        self.queue.idle = bool(self._takers)


def _no_time() -> int:
    """The time for queues whose events do not expire: nobody looks at it."""
    return 0
