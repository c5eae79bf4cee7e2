"""A worker that nobody needs sleeps, and wakes for the next call; one that is needed does not."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from loom.errors import Closed
from loom.worker import Worker, WorkerLimits
from loom.worker._rest import Rest
from tests.worker.worlds import LONG, SPEC, pid_of, running


def sleepy(idle: float = 0.01) -> Worker:
    return Worker("sleepy", SPEC, limits=WorkerLimits(idle=idle, cancel_grace=0.2))


async def asleep(worker: Worker) -> None:
    """Wait until the process has gone."""
    while worker.statistics()["pid"]:
        await asyncio.sleep(0.001)


async def test_a_process_without_calls_ends_and_the_next_call_starts_it_again() -> None:
    async with sleepy() as worker:
        first = await pid_of(worker)
        await asleep(worker)
        assert await pid_of(worker) != first
        told = worker.statistics()
        assert (told["starts"], told["sleeps"], told["deaths"]) == (2, 1, 0)


async def test_calls_that_come_while_it_goes_to_sleep_are_answered() -> None:
    async with sleepy() as worker:
        for _ in range(3):
            await worker.call("echo", 1, timeout=LONG)
            while worker._dozing is None:
                await asyncio.sleep(0)
            assert await asyncio.gather(*(worker.call("echo", n, timeout=LONG) for n in range(5))) == [
                *range(5)
            ]
        assert worker.statistics()["deaths"] == 0


async def test_it_does_not_sleep_in_a_call_nor_while_a_stream_is_read_slowly() -> None:
    async with sleepy(0.05) as worker:
        await pid_of(worker)  # its rest has begun
        waiting = asyncio.ensure_future(worker.call("wait"))
        await running(worker)
        before = worker.statistics()["sleeps"]
        await asyncio.sleep(0.1)
        assert worker.statistics()["sleeps"] == before
        waiting.cancel()
        async with aclosing(worker.stream("forever", timeout=LONG)) as items:
            await anext(items)
            before = worker.statistics()["sleeps"]
            await asyncio.sleep(0.05)
            await anext(items)
            assert worker.statistics()["sleeps"] == before


async def test_starting_it_ahead_wakes_it_and_puts_the_sleep_off() -> None:
    async with sleepy() as worker:
        await worker.start()
        assert worker.statistics()["pid"]
        await asleep(worker)
        await worker.start()
        assert (worker.statistics()["starts"], worker.statistics()["calls"]) == (2, 0)


async def test_a_sleeping_worker_can_be_closed() -> None:
    worker = sleepy()
    await pid_of(worker)
    while worker._dozing is None:
        await asyncio.sleep(0)
    await worker.close()
    assert worker.statistics()["pid"] == 0
    with pytest.raises(Closed):
        await worker.call("echo")


async def test_a_rest_ends_when_there_is_something_to_do() -> None:
    over = asyncio.Event()
    rest = Rest(0.0, over.set)
    rest.begin()
    rest.end()
    await asyncio.sleep(0.01)
    assert not over.is_set()
    rest.begin()
    await asyncio.wait_for(over.wait(), LONG)


async def test_without_a_time_it_never_sleeps() -> None:
    rest = Rest(None, lambda: pytest.fail("it slept"))
    rest.begin()
    assert rest._timer is None
