"""Streams: items in order, bounded, cancelled when nobody reads on."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import aclosing

import pytest

from loom.errors import (
    WorkerDied,
    WorkerRefused,
)
from loom.worker import Worker
from tests.worker.worlds import LONG, pid_of


async def test_stream_items_arrive_in_order_whatever_the_window(worker: Worker) -> None:
    for window in (1, 2, 7):
        assert [n async for n in worker.stream("numbers", 50, window=window)] == list(range(50))


async def test_leaving_a_stream_cancels_it(worker: Worker) -> None:
    first = await pid_of(worker)
    async with aclosing(worker.stream("forever", timeout=LONG)) as items:
        async for number in items:
            if number == 20:
                break
    assert await pid_of(worker) == first
    assert (worker.statistics()["cancelled"], worker.statistics()["failures"]) == (1, 0)


async def test_a_slow_reader_of_a_stream_holds_the_worker_back(worker: Worker) -> None:
    async with aclosing(worker.stream("forever", window=4)) as items:
        assert await anext(items) == 0
        for _ in range(200):
            await asyncio.sleep(0)
        assert worker.statistics()["items"] <= 8  # type: ignore[operator]


async def test_a_stream_whose_process_dies_raises(worker: Worker) -> None:
    items = worker.stream("forever")
    await anext(items)
    os.kill(worker.statistics()["pid"], signal.SIGKILL)  # type: ignore[arg-type]
    with pytest.raises(WorkerDied):
        [item async for item in items]


async def test_a_stream_of_a_plain_method_is_refused(worker: Worker) -> None:
    with pytest.raises(WorkerRefused, match="no stream"):
        await anext(worker.stream("echo"))
