"""A stream that is read by a task of its own, a few items ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from loom.router._finish import end

AHEAD = 8
"""Items that wait to be taken at most."""


class Pump:
    """The items of *source*, which begins at once and stays in one *task*, as what uses task groups wants it."""

    __slots__ = ("_cancelled", "_items", "task")

    def __init__(self, source: AsyncGenerator[Any, None]) -> None:
        self._cancelled: asyncio.CancelledError | None = None
        self._items: asyncio.Queue[Any] = asyncio.Queue(AHEAD)
        self.task = asyncio.ensure_future(self._read(source))

    @property
    def over(self) -> bool:
        """Whether all of it was read."""
        return self.task.done()

    async def _read(self, source: AsyncGenerator[Any, None]) -> None:
        try:
            async with aclosing(source):
                async for item in source:
                    await self._items.put((item, None))
        except Exception as error:  # noqa: BLE001 - a model is a stranger's code; whoever takes the items gets it
            await self._items.put((None, error))
        except asyncio.CancelledError as error:
            self._cancelled = error
            if self._items.empty():  # somebody may wait for an item that will never come
                self._items.put_nowait((None, error))
            raise
        else:
            await self._items.put((None, StopAsyncIteration()))

    def __aiter__(self) -> Pump:
        return self

    async def __anext__(self) -> Any:
        """The next item; raises what the source raised, StopAsyncIteration after the last."""
        if self.task.done() and self._items.empty():
            raise self._cancelled or StopAsyncIteration
        item, error = await self._items.get()
        if error is not None:
            raise error
        return item

    async def close(self) -> None:
        """Read no more; the source is closed when this returns."""
        await end([self.task])
