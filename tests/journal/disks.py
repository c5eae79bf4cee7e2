"""A disk for the tests of the journal: writes can be held, refused, or photographed as a crash would leave them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from loom import Loom
from loom.agent._durable import Durable
from loom.bus import Bus
from loom.errors import StoreError, StoreFull
from loom.journal import Journal
from loom.store import Family, Put
from loom.testing import new_loom
from tests.store.shelf import Shelf


class Disk(Shelf):
    """A shelf whose writes are counted. ``refuse`` and ``doomed`` say which fail, by number or by content."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.refuse: Callable[[int], bool] = lambda n: False
        self.doomed: Callable[[Sequence[Put]], bool] = lambda puts: False
        self.blind = False
        self._open = threading.Event()
        self._open.set()
        self._holds: Callable[[Sequence[Put]], bool] = lambda puts: True
        self.batches: list[tuple[Put, ...]] = []

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        if self._holds(puts):
            self._open.wait(10)
        self.writes += 1
        if self.refuse(self.writes) or self.doomed(puts):
            raise StoreFull(f"write {self.writes} was chosen to fail")
        super().write(puts, sync)
        self.batches.append(tuple(puts))

    def get(self, family: Family, key: bytes) -> bytes | None:
        self._look()
        return super().get(family, key)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        self._look()
        return super().scan(family, start, end, limit)

    def hold(self, which: Callable[[Sequence[Put]], bool] = lambda puts: True) -> None:
        """Let no such write end from now on."""
        self._holds = which
        self._open.clear()

    def release(self) -> None:
        """Let writes end again."""
        self._open.set()

    def image(self) -> Disk:
        """What a process that dies now leaves."""
        copy = Disk()
        copy.kept = {family: dict(rows) for family, rows in self.kept.items()}
        return copy

    def _look(self) -> None:
        if self.blind:
            raise StoreError("the disk cannot be read for a moment")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A new disk, on which the runtimes of ``life`` keep everything."""
    made = Disk()
    monkeypatch.setattr("loom.runtime.loom.open_durable", open_on)
    return made


def open_on(data: Any, bus: Bus, *more: Any, **options: Any) -> Durable:
    """What opens the durable side of a runtime on a Disk."""
    return Durable(Journal(data, bus))


def life(disk: Disk, *things: Any, **options: Any) -> Loom:
    """A runtime on *disk*: one life of the process."""
    return new_loom(*things, data=disk, **options)


def of_steps(puts: Sequence[Put]) -> bool:
    """Whether a write has steps in it."""
    return any(put.family is Family.STEPS for put in puts)


async def turns(count: int = 40) -> None:
    """Let the loop turn while no time passes."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], most: int = 100_000) -> None:
    """Let the loop turn until *condition* holds; AssertionError after *most* turns."""
    for _ in range(most):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")
