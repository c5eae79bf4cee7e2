"""A model's output in pieces, on its way: iterated, and cancelled by whoever stops reading."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any


class Stream:
    """The items of one streaming request: ``async with model_stream as items: async for item in items: ...``.

    The model begins when the first item is asked for. Leaving the ``async with`` early, or ``aclose``, cancels what the
    model still does; so does losing the last reference, a little later.
    """

    __slots__ = ("_items", "_make")

    def __init__(self, make: Callable[[], AsyncGenerator[Any, None]]) -> None:
        self._make = make
        self._items: AsyncGenerator[Any, None] | None = None

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        """The next item; raises what the model raises, StopAsyncIteration after the last."""
        if self._items is None:
            self._items = self._make()
        return await anext(self._items)

    async def aclose(self) -> None:
        """Read no more of it; may be called twice."""
        if self._items is None:
            self._make = _nothing
        else:
            await self._items.aclose()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _nothing() -> AsyncGenerator[Any, None]:
    nothing: tuple[Any, ...] = ()
    for item in nothing:
        yield item
