"""An event loop whose time is a VirtualClock and whose task wake-ups come in an order drawn from a seed."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from loom.testing.clock import VirtualClock

PATIENCE = 1.0
TURNS = 200_000


class Stalled(AssertionError):
    """Nothing can happen any more, or things happen without end while no time passes."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """When nothing is ready, time jumps to the next timer; the tasks that are ready at once run in a drawn order.

    Callbacks of ``call_soon`` keep their order. Time does not jump while a thread started by ``to_thread`` or
    ``run_in_executor`` works or while a socket or pipe is open (a worker process): then it passes at its real pace, so
    such code works but is neither fast nor repeatable. *turns* is how often the loop may turn while no time passes.
    """

    _ready: deque[asyncio.Handle]

    def __init__(self, clock: VirtualClock, random: Random, turns: int = TURNS) -> None:
        self.clock = clock
        self.random = random
        self.outside = 0
        self._turns = turns
        self._turned = 0
        self.gate = _Gate(self)
        super().__init__(self.gate)
        self.own_files = len(self.gate.get_map())

    def time(self) -> float:
        """Virtual seconds."""
        return self.clock.monotonic()

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As ever; time does not jump until the call is over."""
        future = super().run_in_executor(executor, func, *args)
        self.outside += 1
        future.add_done_callback(self._came_back)
        return future

    def shuffle(self) -> None:
        """Draw a new order for the task steps that are ready, leaving every other callback in its place."""
        ready = self._ready
        places = [i for i, handle in enumerate(list(ready)) if _is_task_step(handle)]  # a thread may append
        if len(places) > 1:
            steps = [ready[i] for i in places]
            self.random.shuffle(steps)
            for place, step in zip(places, steps, strict=True):
                ready[place] = step

    def turn(self) -> None:
        """Count a turn of the loop in which no time passed."""
        self._turned += 1
        if self._turned > self._turns:
            raise Stalled(
                f"the loop turned {self._turns} times while no time passed: something spins\n{self.report()}"
            )

    def jump(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._turned = 0
        self.clock.advance(seconds)

    def report(self) -> str:
        """What every task waits for."""
        return "\n".join(f"  {task!r}" for task in asyncio.all_tasks(self))

    def _came_back(self, future: asyncio.Future[Any]) -> None:
        self.outside -= 1


class _Gate(selectors.DefaultSelector):
    """Where the loop waits: instead of waiting for a timer it moves the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self._loop
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            loop.turn()
            loop.shuffle()
            return events
        if loop.outside or len(self.get_map()) > loop.own_files:
            return self._really_wait(timeout)
        if timeout is not None:
            loop.jump(timeout)
            return []
        events = super().select(
            PATIENCE if threading.active_count() > 1 else 0
        )  # a thread's last word counts
        if not events:
            raise Stalled(f"no task can go on and no timer is set:\n{loop.report()}")
        return events

    def _really_wait(self, timeout: float | None) -> list[Any]:
        began = time.monotonic()
        events = super().select(timeout)
        passed = time.monotonic() - began
        self._loop.jump(passed if timeout is None or events else max(passed, timeout))
        return events


def _is_task_step(handle: asyncio.Handle) -> bool:
    """Whether a task goes on here. Where it begins does not count: tasks begin in the order they were made."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    if not isinstance(task, asyncio.Task):
        return False
    coroutine = task.get_coro()
    return not inspect.iscoroutine(coroutine) or inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED


@contextlib.contextmanager
def drawn_slices(clock: VirtualClock, random: Random) -> Iterator[None]:
    """Let the time slices of the scheduler and the bus end where the seed says, not where this machine's speed does."""
    spent = 0.0

    def monotonic() -> float:
        nonlocal spent
        spent += random.random() * 0.0003
        return clock.monotonic() + spent

    measuring: list[Any] = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("loom.") and getattr(module, "monotonic", None) is time.monotonic
    ]
    for module in measuring:
        module.monotonic = monotonic
    try:
        yield
    finally:
        for module in measuring:
            module.monotonic = time.monotonic
