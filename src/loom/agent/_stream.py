"""Streams of a step: read from the model as they come, recorded when they are whole, given again to a retry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from loom.agent._records import Record
from loom.models.stream import Stream

if TYPE_CHECKING:
    from loom.agent.context import Context

KEPT = 8 * 1024 * 1024
"""Bytes of a stream's items that are recorded; a longer stream is not, and a retry asks the model for it anew."""


def open_stream(
    ctx: Context, task: str, input: Any, timeout: float | None, options: Mapping[str, Any]
) -> Stream:
    """The stream of *task* for the step of *ctx*: the recorded items, or those of a model."""
    number, mark, known = ctx._look_up(("stream", task, input, options))
    if known is not None:
        again = known
        return Stream(lambda: _replay(ctx, again))
    services = ctx._cell.services

    def begin() -> AsyncGenerator[Any, None]:
        live = services.stream(task, input, timeout=timeout, options=options, **ctx.asking())
        return _record(ctx, number, mark, live)

    return Stream(begin)


async def _replay(ctx: Context, known: Record) -> AsyncGenerator[Any, None]:
    for item in known.result or ():
        ctx._check_open()
        yield item
    if known.error is not None:
        raise known.error


async def _record(
    ctx: Context, number: int, mark: str, live: AsyncGenerator[Any, None]
) -> AsyncGenerator[Any, None]:
    """The items of *live*; when they end, or fail, that is recorded. One that is closed early is not."""
    kept = Kept() if ctx.door.lane.rank else None  # a REALTIME step never runs again
    alone = not ctx._under_way
    ctx._under_way += 1
    error = None
    try:
        async with aclosing(live) as items:
            async for item in items:
                ctx._check_open()
                if kept is not None and not kept.add(item):
                    kept = None
                yield item
    except Exception as failure:  # noqa: BLE001 - recorded, then raised
        error = failure
    finally:
        ctx._under_way -= 1
    if kept is not None and ctx.records is not None and not ctx.finished:
        alone = alone and ctx._calls == number + 1
        ctx.records.keep(number, Record(mark, kept.items, error, ctx._calls, alone), ctx.label)
    if error is not None:
        raise error


class Kept:
    """The items of a stream so far, as long as they are not too many bytes."""

    __slots__ = ("_left", "items")

    def __init__(self, most: int | None = None) -> None:
        self.items: list[Any] = []
        self._left = KEPT if most is None else most

    def add(self, item: Any) -> bool:
        """Add one; False when it is too much, and then nothing is kept any more."""
        self._left -= weight(item, self._left)
        if self._left < 0:
            self.items = []
            return False
        self.items.append(item)
        return True


def weight(item: Any, most: int = KEPT) -> int:
    """About how many bytes of memory *item* takes, what it contains included; counted until it is over *most*."""
    total, left = 0, [item]
    while left and total <= most:
        each = left.pop()
        total += 64
        if isinstance(each, dict):
            left += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            left += each
        else:
            nbytes = getattr(each, "nbytes", None)
            total += nbytes if isinstance(nbytes, int) else _length(each)
    return total


def _length(item: Any) -> int:
    if isinstance(item, str | bytes | bytearray):
        return len(item)
    return 0
