"""Work that is done to its end whatever happens to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(
    work: Coroutine[Any, Any, T], undo: Callable[[T], Coroutine[Any, Any, Any]] | None = None
) -> T:
    """The result of *work*, which runs to its end; a cancel that comes meanwhile is raised after it.

    *undo* is done with the result then: whoever was cancelled never gets it.
    """
    task = asyncio.ensure_future(work)
    cancelled = await _outlast([task])
    if cancelled is None:
        return task.result()
    if not task.cancelled() and task.exception() is None and undo is not None:
        await _outlast([asyncio.ensure_future(undo(task.result()))])
    raise cancelled


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel *tasks* and wait until all of them are over; what they raise is theirs. Raises a cancel afterwards."""
    for task in tasks:
        task.cancel()
    cancelled = await _outlast(tasks) if tasks else None
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen, so that nobody is told that it never was
    if cancelled is not None:
        raise cancelled


async def _outlast(tasks: Collection[Awaitable[Any]]) -> asyncio.CancelledError | None:
    """Wait for all of *tasks*; the latest cancel that came meanwhile."""
    cancelled: asyncio.CancelledError | None = None
    left = [asyncio.ensure_future(each) for each in tasks]
    while not all(each.done() for each in left):
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
