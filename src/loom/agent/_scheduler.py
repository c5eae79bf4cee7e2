"""One scheduler for all agents: a run queue by urgency and a pool of runners that take turns.

A runner awaits a handler in place. While one handler waits for something, another runner takes the queue on; a runner
that has used up its slice lets the loop run. So a message costs no task and no wake-up of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

SLICE = 0.001
_GUARD = 32
_KEEP_IDLE = 32
Serve = Callable[[Any, int, "Scheduler", "asyncio.Task[Any]"], Awaitable[None]]


class Scheduler:
    """Serves ready agents, the most urgent class first, with at most *limit* handlers waiting at once.

    *serve* runs the steps of one agent, and then of those that ``next`` names, until the slice is over. After _GUARD
    turns of more urgent work a waiting class gets one: nothing starves. REALTIME work gets a runner even
    when *limit* handlers of other classes are waiting for something.
    """

    def __init__(self, serve: Serve, limit: int = 1024) -> None:
        self.limit = limit
        self.queues: tuple[deque[Any], deque[Any], deque[Any]] = (deque(), deque(), deque())
        self.slice_end = 0.0
        self.on_idle: Callable[[], None] = lambda: None
        self._serve = serve
        self._idle: list[asyncio.Future[None]] = []
        self._runners: set[asyncio.Task[None]] = set()
        self._fresh = 0  # runners woken that have not run yet
        self._yielding = 0  # runners that let the loop turn and go on right after
        self._passed = [0, 0, 0]  # turns that passed over a waiting agent of each class
        self._closed = False

    def ready(self, agent: Any, rank: int) -> None:
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
        urgent, ordinary, _ = self.queues
        if (rank and urgent) or (rank == 2 and ordinary):
            return True
        return monotonic() > self.slice_end

    def next(self) -> tuple[Any, int] | None:
        """Whose turn it is, and of which class; None when nobody is ready or a runner that yielded goes on first.

        If more are ready, another runner is woken: it takes over should this one's handler wait for something.
        """
        urgent, ordinary, background = self.queues
        if self._yielding or (len(self._runners) > self.limit and not urgent):
            return None
        if ordinary and not urgent and not background:
            turn = ordinary.popleft(), 1
        else:
            chosen = self._choose()
            if chosen is None:
                return None
            turn = self.queues[chosen].popleft(), chosen
        if not self._fresh and (ordinary or urgent or background):
            self._wake_one()
        return turn

    def lend(self) -> None:
        """A handler waits for an answer of other agents: its place is free meanwhile, or they might never get one."""
        self.limit += 1
        if not (self._fresh or self._yielding or self.idle()):
            self._wake_one()

    def take_back(self) -> None:
        """The handler goes on."""
        self.limit -= 1

    async def close(self) -> None:
        """End every runner, and the handlers in them; not the one that asks for it."""
        self._closed = True
        others = [runner for runner in self._runners if runner is not asyncio.current_task()]
        for runner in others:
            runner.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _choose(self) -> int | None:
        """The class to serve: the most urgent that waits, or one that was passed over too often."""
        waiting = [rank for rank in range(3) if self.queues[rank]]
        if not waiting:
            return None
        passed = self._passed
        starved = [rank for rank in waiting if passed[rank] >= _GUARD]
        chosen = starved[-1] if starved else waiting[0]
        passed[chosen] = 0
        for rank in waiting:
            if rank > chosen:
                passed[rank] += 1
        return chosen

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

    async def _run(self) -> None:
        self._fresh -= 1
        runner = asyncio.current_task()
        assert runner is not None
        while True:
            turn = self.next()
            if turn is None:
                if not await self._rest():
                    return
                continue
            await self._serve(*turn, self, runner)
            if monotonic() > self.slice_end:
                self._yielding += 1
                try:
                    await asyncio.sleep(0)
                finally:
                    self._yielding -= 1
                self.slice_end = monotonic() + SLICE

    async def _rest(self) -> bool:
        """Wait until there is something to do; False if this runner is not needed any more."""
        if self.idle():
            self.on_idle()
        if len(self._runners) > self.limit:  # it was there for REALTIME only
            self._runners.discard(asyncio.current_task())
            if not (self._fresh or self._yielding or self.idle()):
                self._wake_one()
            return False
        if len(self._idle) >= _KEEP_IDLE:
            return False
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        finally:
            if waiter.done() and not waiter.cancelled():
                self._fresh -= 1
        if not self._yielding:
            self.slice_end = max(self.slice_end, monotonic() + SLICE)
        return True
