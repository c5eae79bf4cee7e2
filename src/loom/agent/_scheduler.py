"""One scheduler for all agents: a run queue by urgency and a pool of runners that take turns.

A runner awaits a handler in place. While one handler waits for something, another runner takes the queue on; a runner
that has used up its slice lets the loop run. So a message costs no task and no wake-up of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

SLICE = 0.001
_GUARD = 32
_KEEP_IDLE = 32


class Runnable(Protocol):
    """What the scheduler serves: it is told to work, and works until nothing is left or ``must_yield`` says so."""

    async def work(self, scheduler: Scheduler, rank: int) -> None: ...


class Scheduler:
    """Serves ready agents, the most urgent class first, with at most *limit* handlers waiting at once.

    After _GUARD turns of more urgent work a waiting less urgent agent gets one: nothing starves. REALTIME work gets a
    runner even when *limit* handlers of other classes are waiting for something.
    """

    def __init__(self, limit: int = 1024) -> None:
        self.limit = limit
        self.queues: tuple[deque[Runnable], ...] = (deque(), deque(), deque())
        self.steps = 0
        self.on_idle: Callable[[], None] = lambda: None
        self._idle: list[asyncio.Future[None]] = []
        self._runners: set[asyncio.Task[None]] = set()
        self._fresh = 0
        self._yielding = 0
        self._passed = [0, 0, 0]
        self._slice_end = 0.0
        self._closed = False
        self.current: asyncio.Task[None] | None = None

    def ready(self, agent: Runnable, rank: int) -> None:
        """Put *agent* into the run queue of class *rank* and see that somebody will look at it."""
        self.queues[rank].append(agent)
        if not self._fresh and not self._yielding:
            self._wake_one()

    def idle(self) -> bool:
        """Whether nobody waits for a turn."""
        urgent, ordinary, background = self.queues
        return not (urgent or ordinary or background)

    def must_yield(self, rank: int) -> bool:
        """Whether an agent working at class *rank* has to give way: something is more urgent or its slice is over."""
        queues = self.queues
        if (rank and queues[0]) or (rank == 2 and queues[1]):
            return True
        return monotonic() > self._slice_end

    async def close(self) -> None:
        """End every runner, and the handlers in them."""
        self._closed = True
        for runner in list(self._runners):
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)

    def _wake_one(self) -> None:
        while self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                self._fresh += 1
                waiter.set_result(None)
                return
        if (len(self._runners) < self.limit or self.queues[0]) and not self._closed:
            self._fresh += 1
            runner = asyncio.get_running_loop().create_task(self._run())
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)

    def _next(self) -> tuple[Runnable, int] | None:
        urgent, ordinary, background = self.queues
        if background and self._passed[2] >= _GUARD:
            return self._serve(2)
        if ordinary and self._passed[1] >= _GUARD:
            return self._serve(1)
        if urgent:
            return self._serve(0)
        if ordinary:
            return self._serve(1)
        return self._serve(2) if background else None

    def _serve(self, rank: int) -> tuple[Runnable, int]:
        """Take the next agent of class *rank*; a less urgent class that waits has been passed over once more."""
        queues, passed = self.queues, self._passed
        passed[rank] = 0
        for less_urgent in range(rank + 1, 3):
            if queues[less_urgent]:
                passed[less_urgent] += 1
        return queues[rank].popleft(), rank

    async def _run(self) -> None:
        self._fresh -= 1
        me = asyncio.current_task()
        urgent, ordinary, background = self.queues
        while True:
            turn = None if self._yielding else self._next()
            if turn is None:
                if not await self._rest():
                    return
                continue
            if not self._fresh and (background or ordinary or urgent):
                self._wake_one()
            self.current = me
            await turn[0].work(self, turn[1])
            if monotonic() > self._slice_end:
                self._yielding += 1
                try:
                    await asyncio.sleep(0)
                finally:
                    self._yielding -= 1
                self._slice_end = monotonic() + SLICE

    async def _rest(self) -> bool:
        """Wait until there is something to do; False if this runner is not needed any more."""
        if self.idle():
            self.on_idle()
        if len(self._idle) >= _KEEP_IDLE:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._fresh -= 1
            raise
        self._fresh -= 1
        if self._slice_end < (now := monotonic()) and not self._yielding:
            self._slice_end = now + SLICE
        return True
