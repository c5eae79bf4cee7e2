"""Teams in a runtime that is stopped in the middle of a task, or of a round, and started again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loom import Context, Event, Loom, Retry, on
from loom.agent import Agent
from loom.teams import Contractor, barrier, contract_net
from loom.testing import new_loom, run_until_idle, virtual_time


class Robot(Contractor, team="clean", retry=Retry(attempts=1)):
    price: float = 1.0
    done: list[str] = []

    async def offer(self, task: Any, ctx: Context) -> float | None:
        await asyncio.sleep(1)
        return self.price

    async def work(self, task: Any, ctx: Context) -> Any:
        await asyncio.sleep(20)
        self.done.append(task)
        return f"{task} by {ctx.agent}"


class Diary(Agent):
    lines: list[str] = []

    @on("team.clean.done")
    @on("team.clean.failed")
    async def end(self, event: Event, ctx: Context) -> None:
        self.lines.append(f"{event.type}: {event.payload.get('result') or event.payload['reason']}")

    @on("team.clean.award")
    async def award(self, event: Event, ctx: Context) -> None:
        self.lines.append(f"award: {event.payload['bidder']}")

    @on("team.start.open")
    async def opened(self, event: Event, ctx: Context) -> None:
        self.lines.append(f"open: {event.payload['round']} {event.payload['parties']}")


def world(folder: Path) -> Loom:
    loom = new_loom(
        contract_net("clean", deadline=10, report=60), barrier("start", parties=2), Diary, data=folder
    )
    return loom.add(Robot(price=2), name="r1").add(Robot(price=1), name="r2")


def lines(loom: Loom) -> list[str]:
    found: list[str] = loom.agent("Diary").instance.lines
    return found


@pytest.mark.parametrize("seconds", [0, 0.5, 5, 15, 29])
@virtual_time
async def test_a_task_goes_on_where_it_was(seconds: float, tmp_path: Path) -> None:
    async with world(tmp_path / "data") as loom:
        await loom.publish("team.clean.task", "hall")
        await asyncio.sleep(seconds)  # called, bid for, awarded, worked on
        await loom.stop(0)
    async with world(tmp_path / "data") as loom:
        await run_until_idle(loom, 200)
        assert lines(loom) == ["award: r2", "done: hall by r2"]
        assert loom.agent("r1").instance.done == []
        assert loom.agent("r2").instance.done == ["hall"]
        assert loom.agent("clean-manager").instance.tasks == {}


@virtual_time
async def test_a_round_goes_on_where_it_was(tmp_path: Path) -> None:
    for party in ("a", "a", "b", "b", "a"):
        async with world(tmp_path / "data") as loom:
            await loom.publish("team.start.arrive", {"party": party})
            await run_until_idle(loom)
            told = lines(loom)
    assert told == ["open: 1 ['a', 'b']", "open: 2 ['b', 'a']"]
