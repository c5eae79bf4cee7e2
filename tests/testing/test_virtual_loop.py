"""Virtual time: it jumps, it is repeatable, it lets threads work, and it tells when nothing can happen."""

import asyncio
import threading

import pytest

from loom.testing import Stalled, VirtualClock, run, virtual_time


def test_sleeping_takes_no_time_and_the_clock_agrees() -> None:
    clock = VirtualClock(now_ms=1_000)

    async def main() -> float:
        await asyncio.sleep(7 * 24 * 3600)
        return asyncio.get_running_loop().time()

    assert run(main(), clock=clock) == clock.monotonic() == 604_800
    assert clock.now_ms() == 1_000 + 604_800_000


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        VirtualClock().advance(-1)


def test_timeouts_end_at_their_virtual_moment() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.sleep(31)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(30)


async def _order() -> list[int]:
    order: list[int] = []

    async def one(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            order.append(number)

    await asyncio.gather(*map(one, range(6)))
    return order


def test_the_same_seed_gives_the_same_interleaving_and_others_differ() -> None:
    assert [run(_order(), seed=s) for s in range(5)] == [run(_order(), seed=s) for s in range(5)]
    assert len({tuple(run(_order(), seed=s)) for s in range(10)}) > 5


def test_plain_callbacks_keep_their_order() -> None:
    async def main() -> list[int]:
        order: list[int] = []
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(5)]
        for number in range(20):
            asyncio.get_running_loop().call_soon(order.append, number)
        await asyncio.gather(*tasks)
        return order

    for seed in range(10):
        assert run(main(), seed=seed) == list(range(20))


def test_a_thread_may_work_and_time_waits_for_it() -> None:
    gate = threading.Event()

    async def main() -> float:
        asyncio.get_running_loop().call_soon(gate.set)
        late = asyncio.create_task(asyncio.sleep(3600))
        assert await asyncio.to_thread(gate.wait, 30)
        assert not late.done()
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(0, abs=30)


def test_a_process_may_work_and_answer() -> None:
    async def main() -> bytes:
        process = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0]

    assert run(main()) == b"hello\n"


def test_a_hang_is_told_at_once_with_what_waits() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stalled, match="no task can go on"):
        run(main())


def test_spinning_is_told() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stalled, match="something spins"):
        run(main(), turns=1000)


def test_the_result_and_the_error_come_out_and_tasks_are_ended() -> None:
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("yes")

    async def main() -> None:
        task = asyncio.create_task(left())
        await asyncio.sleep(0)
        raise LookupError(task.get_name())

    with pytest.raises(LookupError):
        run(main())
    assert ended == ["yes"]


def test_a_failure_says_which_seed_it_was() -> None:
    seen: list[int] = []

    @virtual_time(seeds=5)
    async def test() -> None:
        seen.append(len(seen))
        assert len(seen) < 3

    with pytest.raises(AssertionError) as caught:
        test()
    assert caught.value.__notes__[-1] == "in virtual time, seed 2"


@virtual_time
async def test_fixtures_reach_a_virtual_test(tmp_path: object) -> None:
    assert tmp_path is not None
