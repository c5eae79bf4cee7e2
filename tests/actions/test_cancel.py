"""Cancelling a scope: what waits does not run, what runs is cut unless it must finish, what asks asks no more."""

import asyncio

import pytest

from loom.errors import ActionFailed
from loom.event.scope import within
from loom.testing import virtual_time
from tests.actions.worlds import World, seconds


def turn(scope: str | None) -> bool:
    return within(scope, "turn")


@virtual_time(seeds=10)
async def test_what_runs_is_cut_what_waits_never_begins_and_others_go_on() -> None:
    world = World()
    made = world.slow()
    for n, scope in enumerate(["turn", "turn/part", "else", None, "turn"]):
        world.executor.submit(world.order(made, scope=scope, n=n))
    await asyncio.sleep(0.5)
    assert world.executor.cancel(turn) == 3
    await world.rest()
    assert world.log == [("begin", 0), ("cut", 0), ("begin", 2), ("end", 2), ("begin", 3), ("end", 3)]
    assert world.executor.counts["cancelled"] == 3
    assert world.executor.counts["done"] == 2
    assert world.executor.cancel(turn) == 0


@virtual_time(seeds=10)
async def test_what_must_finish_finishes_and_what_waits_behind_it_does_not_begin() -> None:
    world = World()
    made = world.slow(interruptible=False)
    for n in range(2):
        world.executor.submit(world.order(made, scope="turn", n=n))
    await asyncio.sleep(0.5)
    assert world.executor.cancel(turn) == 1
    await world.rest()
    assert world.log == [("begin", 0), ("end", 0)]


@pytest.mark.parametrize("interruptible", [True, False])
def test_an_act_cancelled_while_it_asks_for_approval_never_runs(interruptible: bool) -> None:
    @virtual_time(seeds=5)
    async def check() -> None:
        world = World()
        made = world.slow(approval="ask", interruptible=interruptible)
        world.executor.submit(world.order(made, scope="turn"))
        await asyncio.sleep(1)
        assert world.executor.cancel(turn) == 1
        world.answers.put_nowait(True)
        await world.rest()
        assert world.log == [("asked", "key1")]

    check()


@virtual_time(seeds=5)
async def test_an_act_cancelled_between_two_attempts_is_not_tried_again() -> None:
    world = World()
    tries: list[float] = []

    def flaky() -> None:
        tries.append(seconds())
        raise ActionFailed("again", retryable=True)

    world.executor.submit(world.order(world.make(flaky, attempts=5), scope="turn"))
    await asyncio.sleep(0.05)
    assert world.executor.cancel(turn) == 1
    await world.rest()
    assert len(tries) == 1


@virtual_time(seeds=5)
async def test_an_uninterruptible_act_is_tried_to_its_end() -> None:
    world = World()
    tries: list[float] = []

    def flaky() -> None:
        tries.append(seconds())
        raise ActionFailed("again", retryable=True)

    world.executor.submit(world.order(world.make(flaky, attempts=3, interruptible=False), scope="turn"))
    await asyncio.sleep(0.05)
    assert world.executor.cancel(turn) == 0
    await world.rest()
    assert len(tries) == 3


@virtual_time(seeds=5)
async def test_an_action_that_swallows_the_cancellation_does_not_hurt_the_next() -> None:
    world = World()

    async def stubborn(n: int) -> None:
        world.log.append(("begin", n))
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            world.log.append(("swallowed", n))
        world.log.append(("end", n))

    made = world.make(stubborn)
    world.executor.submit(world.order(made, scope="turn", n=0))
    world.executor.submit(world.order(made, scope="else", n=1))
    await asyncio.sleep(0.5)
    world.executor.cancel(turn)
    await world.rest()
    assert world.log == [("begin", 0), ("swallowed", 0), ("end", 0), ("begin", 1), ("end", 1)]


@virtual_time
async def test_an_action_that_cancels_its_own_scope_finishes_and_hurts_nobody() -> None:
    world = World()

    async def suicidal(n: int) -> None:
        if n == 0:
            world.executor.cancel(turn)
        await asyncio.sleep(1)
        world.log.append(n)

    made = world.make(suicidal)
    for n, scope in enumerate(["turn", "else", "turn"]):
        world.executor.submit(world.order(made, scope=scope, n=n))
    await world.rest()
    assert world.log == [0, 1]


@virtual_time
async def test_what_a_step_called_is_left_to_the_step() -> None:
    world = World()
    call = asyncio.create_task(world.executor.call(world.order(world.slow(), scope="turn", n=3)))
    await asyncio.sleep(0.5)
    assert world.executor.cancel(turn) == 0
    assert await call == 3
