"""Functions in other processes: their results, their errors, and an end when nobody waits."""

from __future__ import annotations

import asyncio
import os

import pytest

from loom.errors import Closed, ConfigError, PayloadTooLarge, WorkerTimeout
from loom.worker import ProcessPool, run_in_process
from loom.worker.pool import close_default_pool, importable
from tests.worker import functions


async def test_a_function_runs_elsewhere_and_its_result_comes_back() -> None:
    async with ProcessPool(1) as pool:
        assert await pool.run(functions.square, 7) == 49
        assert await pool.run(functions.Box.double, "ab") == "abab"
        assert await pool.run(functions.where) != os.getpid()


async def test_what_it_raises_is_raised_with_where_it_happened() -> None:
    async with ProcessPool(1) as pool:
        with pytest.raises(KeyError, match="gone") as caught:
            await pool.run(functions.fail, "gone")
        assert "functions.py" in caught.value.__notes__[0]
        with pytest.raises(Exception, match="Odd: odd"):
            await pool.run(functions.fail_oddly)


async def test_at_most_so_many_processes_and_no_more_than_needed() -> None:
    async with ProcessPool(2) as pool:
        assert len({await pool.run(functions.where) for _ in range(4)}) == 1
        assert len(set(await asyncio.gather(*(pool.run(functions.nap, 0.05) for _ in range(6))))) == 2


async def test_a_late_or_cancelled_function_is_killed_and_the_pool_goes_on() -> None:
    async with ProcessPool(1) as pool:
        first = await pool.run(functions.where)
        with pytest.raises(WorkerTimeout):
            await pool.run(functions.spin, timeout=0.05)
        second = await pool.run(functions.where)
        task = asyncio.create_task(pool.run(functions.spin))
        while not pool.statistics()["process-1"]["running"]:  # type: ignore[index]
            await asyncio.sleep(0)
        task.cancel()
        third = await pool.run(functions.where)
        assert len({first, second, third}) == 3


def test_functions_that_another_process_cannot_find_are_refused_with_advice() -> None:
    def inner() -> None: ...

    for fn, why in (
        (lambda: None, "lambda"),
        (inner, "inside another function"),
        (functions.Box().bound, "names something else"),
    ):
        with pytest.raises(ConfigError, match=why):
            importable(fn)


def test_functions_of_the_script_that_runs_are_refused_with_advice() -> None:
    def main_function() -> None: ...

    main_function.__module__ = "__main__"
    main_function.__qualname__ = "main_function"
    with pytest.raises(ConfigError, match=r"__main__.*module beside the script"):
        importable(main_function)


async def test_arguments_that_cannot_be_pickled_or_are_too_large_are_refused_here() -> None:
    async with ProcessPool(1) as pool:
        with pytest.raises(ConfigError, match="square cannot go"):
            await pool.run(functions.square, lambda: None)  # type: ignore[arg-type]
        with pytest.raises(PayloadTooLarge):
            await pool.run(functions.square, bytes(100_000_000))  # type: ignore[arg-type]
        assert pool.statistics()["process-1"]["starts"] == 0  # type: ignore[index]


async def test_the_loops_own_pool_is_used_and_closed() -> None:
    assert await run_in_process(functions.square, 3) == 9
    first = await run_in_process(functions.where)
    assert first == await run_in_process(functions.where)
    await close_default_pool()
    await close_default_pool()


async def test_a_closed_pool_says_so() -> None:
    pool = ProcessPool(1)
    await pool.close()
    with pytest.raises(Closed):
        await pool.run(functions.square, 1)
