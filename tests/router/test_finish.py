"""Work that is done to its end whatever happens to whoever waits for it."""

from __future__ import annotations

import asyncio

import pytest

from loom.router._finish import end, finish
from loom.testing import virtual_time


@virtual_time
async def test_work_is_done_to_its_end_and_the_cancel_comes_after_it() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(1)
        done.append("settled")

    task = asyncio.create_task(finish(work()))
    for _ in range(3):
        await asyncio.sleep(0.1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["settled"]
    assert len(asyncio.all_tasks()) == 1


@virtual_time
async def test_what_comes_too_late_is_undone() -> None:
    undone: list[str] = []

    async def work() -> str:
        await asyncio.sleep(1)
        return "reservation"

    async def undo(result: str) -> None:
        await asyncio.sleep(0.5)
        undone.append(result)

    assert await finish(work(), undo) == "reservation"
    assert not undone
    task = asyncio.create_task(finish(work(), undo))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["reservation"]


@virtual_time
async def test_an_error_of_the_work_is_raised_unless_somebody_left() -> None:
    async def work() -> None:
        await asyncio.sleep(1)
        raise KeyError("disk")

    with pytest.raises(KeyError):
        await finish(work())
    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@virtual_time
async def test_tasks_that_are_slow_to_end_are_waited_for() -> None:
    ended: list[int] = []

    async def slow(number: int) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(number)
            ended.append(number)

    tasks = [asyncio.create_task(slow(number)) for number in (2, 1)]
    await asyncio.sleep(0)
    ending = asyncio.create_task(end(tasks))
    await asyncio.sleep(0.5)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert ended == [1, 2]
