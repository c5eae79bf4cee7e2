"""Hedged requests: a second backend is asked when the first is late, and whoever answers first wins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from loom.models import ModelReply
from loom.router._finish import end
from loom.router._pump import Pump
from loom.router.attempt import Attempt
from loom.router.backend import Backend
from loom.router.call import Call
from loom.router.single import explained

T = TypeVar("T")
UNKNOWN = 1.0
"""Seconds after which the second is asked when nothing is known of the first."""
SLACK = 1.05
"""A measured quantile may be 2.5 % too low, and one that is always equally fast would be hedged always."""


async def ask(call: Call, backends: Sequence[Backend]) -> ModelReply:
    """The first answer; the second backend is asked after the 95th percentile of the first.

    Dean and Barroso, "The tail at scale", CACM 56 (2013). The others are cancelled at once and their cost is counted.
    Raises what the last one raised when all fail.
    """
    race = Race(call, backends, lambda attempt: attempt.infer())
    return await race.run(delay(call, backends[0], whole=True))


async def stream(call: Call, backends: Sequence[Backend]) -> AsyncGenerator[Any, None]:
    """The items of whoever gives the first one; the others are closed before it is passed on."""
    race = Race(call, backends, _opened, _closed)
    item, pump = await race.run(delay(call, backends[0], whole=False))
    try:
        if item is not _NOTHING:
            yield item
        async for item in pump:
            yield item
    finally:
        await pump.close()


def delay(call: Call, first: Backend, whole: bool) -> float:
    """Seconds to wait for the first one: its p95 for a request of this size, half of the time left at most."""
    known = first.measured.p95_ms(call.size.tokens_in, whole)
    usual = UNKNOWN if known is None else known / 1000 * SLACK
    left = call.seconds()
    return usual if left is None else min(usual, left / 2)


class Race(Generic[T]):
    """Tries of one call that run beside each other, never more than two; *undo* is done with what came too late."""

    def __init__(
        self,
        call: Call,
        backends: Sequence[Backend],
        run: Callable[[Attempt], Coroutine[Any, Any, T]],
        undo: Callable[[T], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._call, self._waiting, self._run, self._undo = call, list(backends), run, undo
        self._running: dict[asyncio.Task[T], Attempt] = {}

    async def run(self, delay: float) -> T:
        """The result of the winner. Whatever happens, no other try is left when this returns."""
        winner: asyncio.Task[T] | None = None
        try:
            self._start()
            await asyncio.wait(self._running, timeout=delay)
            if not any(task.done() for task in self._running):
                self._start()
            winner = await self._first()
        finally:
            await self._stop(winner)
        return winner.result()

    def _start(self) -> None:
        if self._waiting:
            attempt = Attempt(self._call, self._waiting.pop(0))
            self._running[asyncio.ensure_future(self._run(attempt))] = attempt

    async def _first(self) -> asyncio.Task[T]:
        """The first that succeeds; who fails is followed by the next, if that may help."""
        while True:
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in [each for each in self._running if each in done]:
                error = task.exception()
                if error is None:
                    return task
                del self._running[task]
                if not isinstance(error, Exception):
                    raise error
                if self._call.goes_on(error):
                    self._start()
                if not self._running:
                    raise explained(self._call, error)

    async def _stop(self, winner: asyncio.Task[T] | None) -> None:
        losers = {task: attempt for task, attempt in self._running.items() if task is not winner}
        for attempt in losers.values():
            attempt.lost = winner is not None
        unwanted = list(losers)
        cancelled: asyncio.CancelledError | None = None
        try:
            await end(losers)
        except asyncio.CancelledError as error:
            cancelled, unwanted = error, list(self._running)  # nobody takes what the winner has either
        for task in unwanted:
            try:
                await self._thrown_away(task)
            except asyncio.CancelledError as error:  # it was, all the same
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _thrown_away(self, task: asyncio.Task[T]) -> None:
        if self._undo is not None and not task.cancelled() and task.exception() is None:
            await self._undo(task.result())


async def _opened(attempt: Attempt) -> tuple[Any, Pump]:
    """The first item of a try, and the rest; one that is cancelled, or fails, is closed."""
    pump = Pump(attempt.stream())
    try:
        return await anext(pump, _NOTHING), pump
    except (Exception, asyncio.CancelledError):
        await pump.close()
        raise


async def _closed(opened: tuple[Any, Pump]) -> None:
    """A stream that had begun when another had won."""
    await opened[1].close()


_NOTHING = object()
