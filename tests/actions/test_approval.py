"""Approval: allow, deny, ask; the runtime's policy goes before the action's own."""

import pytest

from loom.actions import Approval
from loom.errors import ActionDenied
from loom.testing import virtual_time
from tests.actions.worlds import World


@virtual_time
async def test_allow_runs_and_deny_never_does() -> None:
    world = World()
    assert await world.executor.call(world.order(world.slow(), n=1)) == 1
    with pytest.raises(ActionDenied, match="its policy is deny"):
        await world.executor.call(world.order(world.slow(name="no", approval="deny"), n=2))
    assert world.log == [("begin", 1), ("end", 1)]
    assert world.told.refused == ["its policy is deny"]
    assert world.executor.counts["denied"] == 1


@virtual_time
async def test_ask_waits_for_the_answer() -> None:
    world = World()
    made = world.slow(approval="ask")
    world.answers.put_nowait(True)
    assert await world.executor.call(world.order(made, n=1)) == 1
    world.answers.put_nowait(False)
    with pytest.raises(ActionDenied, match="somebody said no"):
        await world.executor.call(world.order(made, n=2))
    assert world.log == [("asked", "key1"), ("begin", 1), ("end", 1), ("asked", "key2")]


@virtual_time
async def test_the_policy_of_the_runtime_goes_first() -> None:
    world = World(policy={"strict": Approval.DENY, "free": Approval.ALLOW})
    with pytest.raises(ActionDenied):
        await world.executor.call(world.order(world.slow(name="strict")))
    assert await world.executor.call(world.order(world.slow(name="free", approval="deny"), n=1)) == 1


@virtual_time
async def test_nobody_is_asked_about_arguments_that_cannot_be_right() -> None:
    world = World(policy={"do": Approval.ASK})
    world.answers.put_nowait(True)
    with pytest.raises(Exception, match="'n' must be integer"):
        await world.executor.call(world.order(world.slow(), n="x"))
    assert world.log == []
