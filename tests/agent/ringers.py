"""Agents with durable timers, and a runtime to run them in again and again."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loom import Agent, Loom, at, every, on
from loom.agent._ringing import Ringing
from loom.agent._timer_book import TimerBook
from loom.testing import new_loom

NOW = 1_767_225_600_000  # midnight
HOUR = 3_600_000


class Cook(Agent):
    rang: list[str] = []

    @on("egg.start")
    async def start(self, event: Any, ctx: Any) -> None:
        ctx.after(event.payload, "egg.done", {"for": event.payload})

    @on("egg.done")
    async def done(self, event: Any) -> None:
        self.rang.append(f"{event.payload['for']}{' late' if 'due_ms' in event.metadata else ''}")


class Clockwork(Agent):
    rang: list[str] = []

    @at("07:30", tz="UTC", missed="coalesce")
    async def morning(self, event: Any) -> None:
        self.rang.append(f"morning {event.metadata.get('missed', '')}")

    @every(3600, missed="catch_up")
    async def hourly(self, event: Any) -> None:
        self.rang.append("hour")

    @every(3600)
    async def beat(self, event: Any) -> None:
        self.rang.append("beat")


@asynccontextmanager
async def durable(folder: Path, *agents: Any) -> AsyncIterator[Loom]:
    loom = new_loom(*agents, data=folder)
    services = loom._services
    assert services.durable is not None
    if services.timers.durable is None:
        Ringing(TimerBook(services.durable.backend), services.durable.journal, services)
    async with loom:
        ringing(loom).begin()
        yield loom
        ringing(loom).stop()


def ringing(loom: Loom) -> Ringing:
    found = loom._services.timers.durable
    assert found is not None
    return found


def rang(loom: Loom, name: str) -> list[str]:
    found: list[str] = loom.agent(name).instance.rang
    return found


def crash(folder: Path) -> Path:
    """What is on disk now, as a process that dies would leave it."""
    copy = folder.with_name(folder.name + "-crashed")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*lock*"))
    return copy


def open_readonly(folder: Path) -> Any:
    from loom.store.sqlite import SqliteBackend

    return SqliteBackend(folder, read_only=True)
