"""The bare loops that everything is held against: the least an asyncio process can do for the same outcome."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from benchmarks._harness import Stopwatch

T = TypeVar("T")
Make = Callable[[int], T]
BATCH = 512


class BareQueue(Generic[T]):
    """A deque and one future for each wake-up: everything that is there is taken at once."""

    __slots__ = ("items", "taker")

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.taker: asyncio.Future[None] | None = None

    def append(self, thing: T) -> None:
        """Add *thing* and wake the taker if one waits."""
        self.items.append(thing)
        if self.taker is not None:
            self.taker.set_result(None)
            self.taker = None

    async def put(self, thing: T) -> None:
        """The same for a publisher that can be made to wait, as happens when BATCH things are queued."""
        self.append(thing)
        if len(self.items) >= BATCH:
            await asyncio.sleep(0)

    async def take_all(self) -> list[T]:
        """Whatever has come; waits for the first."""
        while not self.items:
            self.taker = asyncio.get_running_loop().create_future()
            await self.taker
        batch = list(self.items)
        self.items.clear()
        return batch

    async def consume(self, count: int) -> None:
        """Take *count* things and look at each."""
        seen = 0
        while seen < count:
            for _ in await self.take_all():
                seen += 1


async def bare_one_to_one(count: int, make: Make[object]) -> float:
    """Things per second of CPU time, each made by ``make(n)``; the append is written out in the publisher's loop."""
    queue: BareQueue[object] = BareQueue()
    items = queue.items

    async def produce() -> None:
        for n in range(count):
            items.append(make(n))
            if queue.taker is not None:
                queue.taker.set_result(None)
                queue.taker = None
            if not n % BATCH:
                await asyncio.sleep(0)

    return await timed(count, produce(), queue.consume(count))


async def bare_put_one_to_one(count: int, make: Make[object]) -> float:
    """The same through an awaited ``put``: what a bus costs at least whose publishers can be made to wait."""
    queue: BareQueue[object] = BareQueue()

    async def produce() -> None:
        for n in range(count):
            await queue.put(make(n))

    return await timed(count, produce(), queue.consume(count))


async def timed(count: int, *work: Coroutine[Any, Any, None]) -> float:
    """Runs publishers and consumers to their end; *count* per second of CPU time. The last to be started publish."""
    tasks = [asyncio.create_task(part) for part in reversed(work)]
    with Stopwatch() as watch:
        await asyncio.gather(*tasks)
    return count / watch.cpu
