"""Operating a runtime: pause and resume, live and over a restart; why, and the dead letters."""

from typing import Any

import pytest

from loom import Agent, Loom, on
from loom.errors import ConfigError
from loom.store import Family
from loom.testing import new_loom, run_until_idle, virtual_time
from tests.agent.ledgers import Lives, lives  # noqa: F401 - a fixture


class Counter(Agent):
    """Counts."""

    total: int = 0
    stopped: int = 0

    @on("count.>")
    async def add(self, event, ctx):
        self.total += event.payload

    async def on_stop(self, ctx):
        self.stopped += 1


class Room(Agent, key="payload.room"):
    visits: int = 0

    @on("visit")
    async def visit(self, event, ctx):
        self.visits += 1
        ctx.publish("count.visit", 100)


def total(loom: Loom) -> Any:
    return loom.agent("Counter").instance.total


async def count(loom: Loom, *numbers: int) -> Any:
    for number in numbers:
        await loom.publish("count.x", number)
    await run_until_idle(loom, 1)
    return loom.agent("Counter").status, total(loom)


async def pause(loom: Loom) -> Any:
    await loom.pause("Counter")
    return await count(loom, 1, 2)


async def resume(loom: Loom) -> Any:
    await loom.resume("Counter")
    return await count(loom)


def test_a_paused_agent_handles_nothing_until_it_is_resumed_also_after_restarts(lives: Lives) -> None:  # noqa: F811
    assert lives.live(Counter, story=lambda loom: count(loom, 10)) == ("running", 10)
    assert lives.live(Counter, story=pause) == ("paused", 10)
    assert lives.live(Counter, story=lambda loom: count(loom, 3)) == ("paused", 10)
    assert lives.live(Counter, story=resume) == ("running", 16)
    assert lives.live(Counter, story=lambda loom: count(loom, 4)) == ("running", 20)
    assert [key for key in lives.rows(Family.META) if "paused" in key] == []


@virtual_time
async def test_a_pause_needs_no_store_and_the_step_that_runs_is_finished() -> None:
    async with new_loom(Counter) as loom:
        assert await count(loom, 1) == ("running", 1)
        await loom.pause("Counter")
        await loom.publish("count.x", 5)
        await run_until_idle(loom, 1)
        assert total(loom) == 1
        await loom.resume("Counter")
        assert await count(loom) == ("running", 6)
        await loom.resume("Counter")
        assert await count(loom, 1) == ("running", 7)


@virtual_time
async def test_an_agent_that_ends_while_paused_is_stopped_like_the_others() -> None:
    async with new_loom(Counter) as loom:
        await loom.pause("Counter")
        counter = loom.agent("Counter")
    assert counter.instance.stopped == 1


def test_a_keyed_agent_is_paused_with_all_its_keys(lives: Lives) -> None:  # noqa: F811
    async def visit(loom: Loom) -> Any:
        await loom.pause("Room")
        await loom.publish("visit", {"room": "kitchen"})
        return await count(loom)

    async def go_on(loom: Loom) -> Any:
        with pytest.raises(ConfigError, match="pause the whole agent, 'Room'"):
            await loom.pause("Room/kitchen")
        await loom.resume("Room")
        return await count(loom)

    assert lives.live(Counter, Room, story=visit) == ("running", 0)
    assert lives.live(Counter, Room, story=go_on) == ("running", 100)


@virtual_time
async def test_nobody_is_paused_by_a_wrong_name() -> None:
    async with new_loom(Counter) as loom:
        with pytest.raises(ConfigError, match="no agent 'Conter'; there are Counter"):
            await loom.pause("Conter")
        with pytest.raises(ConfigError, match="is running, not parked"):
            await loom.unpark("Counter")
