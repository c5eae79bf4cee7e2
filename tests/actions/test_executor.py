"""Running actions: order, bounds, timeouts, retries, and one run for each key."""

import asyncio
from typing import Any

import pytest

from loom.errors import ActionFailed, ActionTimeout, ConfigError
from loom.testing import virtual_time
from tests.actions.worlds import World, seconds


@virtual_time(seeds=5)
async def test_acts_of_one_agent_and_capability_run_in_order_others_beside_them() -> None:
    world = World()
    made = world.slow()
    for agent in ("a", "b"):
        for n in range(3):
            assert world.executor.submit(world.order(made, agent=agent, n=n))
    await world.rest()
    begun = [n for what, n in world.log if what == "begin"]
    assert begun == [0, 0, 1, 1, 2, 2]
    assert seconds() == pytest.approx(3, abs=0.1)


@virtual_time
async def test_no_more_than_capacity_wait_or_run_and_room_tells_when_there_is_some() -> None:
    world = World(capacity=2)
    made = world.slow()
    assert [world.executor.submit(world.order(made, n=n)) for n in range(3)] == [True, True, False]
    await world.executor.room()
    assert seconds() == pytest.approx(1)
    assert world.executor.submit(world.order(made, n=3))
    assert not world.executor.submit(world.order(made, n=4))
    await world.rest()
    assert [n for what, n in world.log if what == "end"] == [0, 1, 3]


@virtual_time
async def test_an_action_that_takes_too_long_is_ended_and_named() -> None:
    world = World()
    with pytest.raises(ActionTimeout, match=r"'do' took longer than its timeout of 2\.0 s"):
        await world.executor.call(world.order(world.slow(3, timeout=2.0)))
    assert seconds() == 2
    assert world.told.ended == [("key1", "timeout")]


@virtual_time
async def test_a_timeout_of_the_actions_own_is_a_failure_not_our_timeout() -> None:
    world = World()

    async def inner() -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(2)

    with pytest.raises(ActionFailed, match="raised TimeoutError"):
        await world.executor.call(world.order(world.make(inner, timeout=9)))
    assert world.executor.counts["timeout"] == 0


@virtual_time
async def test_only_what_says_it_is_retryable_is_tried_again_with_growing_pauses() -> None:
    world = World()
    tries: list[float] = []

    def flaky(retryable: bool, succeed_at: int) -> int:
        tries.append(seconds())
        if len(tries) < succeed_at:
            raise ActionFailed("no line", retryable=retryable)
        return len(tries)

    made = world.make(flaky, attempts=4)
    assert await world.executor.call(world.order(made, retryable=True, succeed_at=3)) == 3
    first, second = tries[1] - tries[0], tries[2] - tries[1]
    assert 0.08 <= first <= 0.12
    assert 0.16 <= second <= 0.24
    tries.clear()
    with pytest.raises(ActionFailed, match="no line"):
        await world.executor.call(world.order(made, retryable=False, succeed_at=2))
    assert len(tries) == 1
    tries.clear()
    with pytest.raises(ActionFailed, match="no line"):
        await world.executor.call(world.order(made, retryable=True, succeed_at=9))
    assert len(tries) == 4


@virtual_time
async def test_a_timeout_is_tried_again_only_when_the_action_is_idempotent() -> None:
    world = World()
    for idempotent, begun in ((False, 1), (True, 3)):
        world.log.clear()
        with pytest.raises(ActionTimeout):
            await world.executor.call(world.order(world.slow(9, timeout=1, idempotent=idempotent)))
        assert sum(what == "begin" for what, _ in world.log) == begun


@virtual_time
async def test_a_strangers_error_is_typed_and_keeps_its_cause() -> None:
    world = World()

    def bad() -> None:
        raise ZeroDivisionError("oh")

    with pytest.raises(ActionFailed, match="raised ZeroDivisionError: oh") as caught:
        await world.executor.call(world.order(world.make(bad)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert world.executor.counts == {"done": 0, "failed": 1, "denied": 0, "timeout": 0, "cancelled": 0}


@virtual_time
async def test_a_failed_act_does_not_hold_up_the_next() -> None:
    world = World()
    done: list[tuple[str, str]] = []

    def sometimes(n: int) -> None:
        if n == 1:
            raise ValueError(n)

    made = world.make(sometimes)
    for n in range(3):
        order = world.order(made, n=n)
        order.done = lambda i, e: done.append((i.key, type(e).__name__))
        world.executor.submit(order)
    await world.rest()
    assert done == [("key1", "NoneType"), ("key2", "ActionFailed"), ("key3", "NoneType")]


# --- one run for each key ---------------------------------------------------------------------------------------------


@virtual_time(seeds=10)
async def test_callers_with_one_key_share_one_run() -> None:
    world = World()
    made = world.slow()
    results = await asyncio.gather(*(world.executor.call(world.order(made, "one", n=4)) for _ in range(5)))
    assert results == [4] * 5
    assert await world.executor.call(world.order(made, "one", n=5)) == 4
    assert world.log == [("begin", 4), ("end", 4)]


@virtual_time
async def test_callers_with_one_key_share_a_failure_and_the_next_caller_tries_again() -> None:
    world = World()
    tries = 0

    async def bad() -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(1)
        raise ValueError(tries)

    made = world.make(bad)
    calls = [world.executor.call(world.order(made, "one")) for _ in range(3)]
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(e) for e in ended] == ["action 'do' raised ValueError: 1"] * 3
    with pytest.raises(ActionFailed, match="ValueError: 2"):
        await world.executor.call(world.order(made, "one"))


@virtual_time(seeds=10)
async def test_when_the_first_caller_is_cancelled_another_takes_over() -> None:
    world = World()
    made = world.slow()
    first = asyncio.create_task(world.executor.call(world.order(made, "one", n=1)))
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(world.executor.call(world.order(made, "one", n=2))) for _ in range(3)]
    await asyncio.sleep(0.1)
    first.cancel()
    assert await asyncio.gather(*others) == [2, 2, 2]
    assert first.cancelled()
    assert world.log == [("begin", 1), ("cut", 1), ("begin", 2), ("end", 2)]


@virtual_time(seeds=10)
async def test_a_cancelled_waiter_does_not_disturb_who_runs() -> None:
    world = World()
    made = world.slow()
    first = asyncio.create_task(world.executor.call(world.order(made, "one", n=1)))
    await asyncio.sleep(0.5)
    other = asyncio.create_task(world.executor.call(world.order(made, "one", n=1)))
    await asyncio.sleep(0.1)
    other.cancel()
    assert await first == 1
    assert other.cancelled()


@virtual_time(seeds=10)
async def test_an_uninterruptible_action_runs_once_though_its_caller_is_cancelled_and_calls_again() -> None:
    world = World()
    made = world.slow(interruptible=False)
    first = asyncio.create_task(world.executor.call(world.order(made, "one", n=1)))
    await asyncio.sleep(0.5)
    first.cancel()
    await asyncio.sleep(0.1)
    assert first.cancelled()
    assert world.executor.busy
    assert await world.executor.call(world.order(made, "one", n=1)) == 1
    assert world.log == [("begin", 1), ("end", 1)]
    assert not world.executor.busy


@virtual_time
async def test_results_are_forgotten_oldest_first_even_while_one_action_hangs() -> None:
    world = World()
    hang = asyncio.create_task(world.executor.call(world.order(world.slow(1e6, timeout=1e9), "hang")))
    await asyncio.sleep(0)
    made = world.make(lambda n: n, "quick")
    for n in range(5000):
        await world.executor.call(world.order(made, f"k{n}", n=n))
    assert len(world.executor._results) <= 4096
    assert "k4999" in world.executor._results
    hang.cancel()


@virtual_time
async def test_the_key_reaches_the_function_that_asks_for_it() -> None:
    world = World()

    def pay(amount: int, idempotency_key: str) -> tuple[int, str]:
        return amount, idempotency_key

    assert await world.executor.call(world.order(world.make(pay), "order-7", amount=3)) == (3, "order-7")


@virtual_time
async def test_closing_ends_what_runs_and_waits() -> None:
    world = World()
    made: Any = world.slow(100, timeout=1000)
    for n in range(3):
        world.executor.submit(world.order(made, n=n))
    call = asyncio.create_task(
        world.executor.call(world.order(world.slow(100, "other", interruptible=False)))
    )
    await asyncio.sleep(1)
    await world.executor.close()
    assert world.log == [("begin", 0), ("begin", 0), ("cut", 0), ("cut", 0)]
    assert world.executor.pending == 0
    await asyncio.gather(call, return_exceptions=True)
    assert not world.executor.busy


@virtual_time
async def test_what_may_run_at_most_once_is_called_once_for_a_key_whatever_becomes_of_it() -> None:
    world = World()

    async def fail() -> None:
        world.log.append("called")
        raise ActionFailed("it broke", retryable=True)

    once = world.make(fail, at_most_once=True)
    assert once.attempts == 1
    with pytest.raises(ActionFailed, match="it broke"):
        await world.executor.call(world.order(once, "k"))
    with pytest.raises(ActionFailed, match="may run once and did: ActionFailed: it broke"):
        await world.executor.call(world.order(once, "k"))
    assert world.log == ["called"]
    with pytest.raises(ActionFailed, match="it broke"):
        await world.executor.call(world.order(once, "another"))
    with pytest.raises(ConfigError, match="idempotent, or it may run at most once"):
        world.make(fail, at_most_once=True, idempotent=True)


@virtual_time
async def test_what_may_run_at_most_once_and_was_cut_off_is_not_called_again() -> None:
    world = World()
    once = world.slow(at_most_once=True)
    call = asyncio.create_task(world.executor.call(world.order(once, "k", n=1)))
    await asyncio.sleep(0.5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(ActionFailed, match="may run once and did: cancelled"):
        await world.executor.call(world.order(once, "k", n=1))
    assert world.log == [("begin", 1), ("cut", 1)]
