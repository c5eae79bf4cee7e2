"""Retention in a runtime: when it is applied, what it leaves to agents, dead letters and histories."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Retry, on
from loom.store import Family
from loom.store.families import unnumber
from loom.testing import virtual_time
from tests.journal.disks import Disk, disk, life, until  # noqa: F401 - a fixture


class Teller(Agent):
    """Remembers all it was told."""

    heard: list[int] = []

    @on("n.>")
    async def take(self, event, ctx):
        self.heard.append(event.payload)


class Stuck(Agent):
    """Handles nothing until it is let go."""

    @on("n.>", capacity=4)
    async def take(self, event, ctx):
        await asyncio.sleep(100)


def kept(loom: Any) -> list[int]:
    rows = loom._durable.backend.scan(Family.JOURNAL, b"", None, 10_000)
    return [unnumber(key) for key, _ in rows]


@virtual_time
async def test_what_an_agent_has_not_handled_yet_stays(disk: Disk) -> None:  # noqa: F811
    async with life(disk, Stuck, drain=0) as loom:
        loom.journal("n.>", count=1)
        for n in range(4):
            await loom.publish("n.x", n)
        assert await loom.tidy() == 0
        await asyncio.sleep(150)
        assert await loom.tidy() == 1
        assert kept(loom) == [2, 3, 4]
    async with life(disk, Teller, drain=0) as loom:  # nobody is there any more who has not handled them
        loom.journal("n.>", count=1)
        assert await loom.tidy() == 2
        assert kept(loom) == [4]


@virtual_time
async def test_it_is_applied_after_a_minute_and_every_hour(disk: Disk) -> None:  # noqa: F811
    async with life(disk, Teller) as loom:
        loom.journal("n.>", age=3600.0)
        await loom.publish("n.x", 1, timestamp_ms=loom.clock.now_ms())
        await loom.publish("n.x", 2, timestamp_ms=loom.clock.now_ms())
        await asyncio.sleep(3650)
        assert kept(loom) == [1, 2]
        await asyncio.sleep(20)
        assert kept(loom) == [2]


@virtual_time
async def test_a_store_that_cannot_be_read_is_told_and_retention_tried_again(
    disk: Disk,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with life(disk, Teller) as loom:
        loom.journal("n.>", count=1)
        await loom.publish("n.x", 1)
        await loom.publish("n.x", 2)
        await loom.idle()
        disk.blind = True
        await asyncio.sleep(61)
        disk.blind = False
        assert kept(loom) == [1, 2]
        assert "retention could not be applied and is tried again later" in caplog.text
        await asyncio.sleep(3600)
        assert kept(loom) == [2]


@virtual_time
async def test_publishers_and_agents_go_on_while_it_works(disk: Disk) -> None:  # noqa: F811
    async with life(disk, Teller) as loom:
        loom.journal("n.>", count=5)
        for n in range(600):
            await loom.publish("n.x", n)
        await loom.idle()
        tidying = asyncio.ensure_future(loom.tidy())
        published = 0
        while not tidying.done():
            await loom.publish("n.x", 0)
            published += 1
        assert published > 5
        assert await tidying >= 590
        await loom.idle()
        assert len(loom.agent("Teller").instance.heard) == 600 + published


@virtual_time
async def test_an_event_that_a_dead_letter_names_stays_as_long_as_the_letter(disk: Disk) -> None:  # noqa: F811
    class Broken(Agent, retry=Retry(attempts=1)):
        @on("n.bad")
        async def take(self, event, ctx):
            raise ValueError("no")

    async with life(disk, Broken) as loom:
        loom.journal("n.>", count=1)
        await loom.publish("n.bad", 1)
        await until(lambda: len(loom.dead))
        await loom.publish("n.bad", 2)
        await loom.publish("n.bad", 3)
        await until(lambda: len(loom.dead) == 3)
        await loom.dead.drop(2)
        assert await loom.tidy() == 1
        assert kept(loom) == [1, 3]
        assert await loom.dead.retry_all() == 2


@virtual_time
async def test_what_an_agent_knew_is_told_rightly_or_not_at_all(disk: Disk) -> None:  # noqa: F811
    from loom.agent._fork import state_at
    from loom.errors import ConfigError

    async with life(disk, Teller) as loom:
        loom.journal("n.short", count=1)
        for n in range(6):
            await loom.publish("n.short" if n % 2 else "n.long", n)
        await loom.idle()
        assert await loom.tidy() == 2
        await loom.publish("n.long", 6)
        await loom.publish("n.long", 7)
        await loom.idle()
        backend, vault = loom._durable.backend, loom._durable.vault
        for seq in (1, 3, 5, 6):
            with pytest.raises(ConfigError, match="not kept"):
                state_at(backend, vault, "Teller", seq)
        assert state_at(backend, vault, "Teller", 7).fields == {"heard": [0, 1, 2, 3, 4, 5, 6]}
        assert state_at(backend, vault, "Teller", 8).fields == {"heard": [0, 1, 2, 3, 4, 5, 6, 7]}


@pytest.mark.parametrize("backend", ["sqlite", "rocksdb"])
def test_the_rules_of_a_project_are_applied(tmp_path: Path, backend: str) -> None:
    if backend == "rocksdb":
        pytest.importorskip("rocksdict")
    from loom.runtime._config_build import build
    from loom.runtime.config import parse_project

    text = f"""
    [loom]
    data = "data"
    backend = "{backend}"
    [journal."n.>"]
    keep = true
    count = 3
    [journal."n.last"]
    keep = true
    compact = true
    """

    async def main() -> tuple[int, list[int]]:
        async with build(parse_project(text, tmp_path / "loom.toml")) as loom:
            for n in range(6):
                await loom.publish("n.x", n)
                await loom.publish("n.last", n, key=str(n % 2))
            return await loom.tidy(), kept(loom)

    assert asyncio.run(main()) == (7, [7, 9, 10, 11, 12])
