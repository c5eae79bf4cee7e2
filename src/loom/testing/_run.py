"""Running coroutines and tests in virtual time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, ParamSpec, TypeVar

from loom.runtime import Loom
from loom.testing._virtual_loop import TURNS, VirtualLoop, drawn_slices
from loom.testing.clock import VirtualClock

T = TypeVar("T")
P = ParamSpec("P")


def run(
    main: Coroutine[Any, Any, T], *, seed: int = 0, clock: VirtualClock | None = None, turns: int = TURNS
) -> T:
    """Run a coroutine in virtual time and return its result; the same *seed* gives the same interleaving.

    Raises Stalled when no task can go on, or when the loop turns *turns* times without any time passing.
    """
    clock = clock or VirtualClock()
    loop = VirtualLoop(clock, Random(seed), turns)
    try:
        asyncio.set_event_loop(loop)
        with drawn_slices(clock, Random(seed)):
            try:
                return loop.run_until_complete(main)
            finally:
                _finish(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _finish(loop: VirtualLoop) -> None:
    loop.jump(0)  # what follows has its own number of turns
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=60))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


def virtual_time(
    test: Callable[P, Coroutine[Any, Any, None]] | None = None, *, seeds: int = 1, turns: int = TURNS
) -> Any:
    """Make an ``async def`` test an ordinary one that runs in virtual time, once for each of *seeds* interleavings.

    Works below ``hypothesis.given`` and beside fixtures. A failure says which seed it was.
    """

    def decorate(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
            for seed in range(seeds):
                try:
                    run(function(*args, **kwargs), seed=seed, turns=turns)
                except BaseException as error:
                    error.add_note(f"in virtual time, seed {seed}")
                    raise

        return wrapper

    return decorate if test is None else decorate(test)


def new_loom(*things: Any, **options: Any) -> Loom:
    """A Loom with these agents, actions and sources, on the clock and the seed of the virtual loop that is running.

    *options* are those of ``Loom``. There is no watchdog unless asked for: it watches real time.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("new_loom() belongs into loom.testing.run(...) or a test marked @virtual_time")
    options = {"clock": loop.clock, "seed": loop.random.getrandbits(32), "watchdog": None, **options}
    return Loom(**options).add(*things)


async def run_until_idle(loom: Loom, seconds: float = 0.0) -> None:
    """Let *seconds* pass (virtual ones cost nothing), then wait until every accepted event is handled."""
    await asyncio.sleep(seconds)
    await loom.idle()
