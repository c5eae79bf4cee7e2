"""Lives of one runtime in one folder: each ends when its story is told, or by dying; and a world that keeps count."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from loom import Loom
from loom.store import Family
from loom.store.families import unnumber
from loom.store.sqlite import SqliteBackend
from loom.testing import VirtualClock, new_loom, run
from tests.store.faulty import Died, FaultyBackend

Dies = Literal["before", "after"] | None
Story = Callable[[Loom], Awaitable[Any]]


class Mortal(FaultyBackend):
    """A backend whose process may die: the dead write nothing, but they may go on reading until somebody notices."""

    def get(self, family: Family, key: bytes) -> bytes | None:
        return self.inner.get(family, key)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        return self.inner.scan(family, start, end, limit)


class Lives:
    """``done`` is what was done to the world, in order, by lives that were still alive then."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.done: list[Any] = []
        self.clock = VirtualClock()
        self.faulty: FaultyBackend | None = None
        self.number = 0
        self.grants: list[str] | None = None
        self._patch = monkeypatch

    def do(self, *what: Any) -> None:
        """Change the world; the dead do not."""
        if self.alive:
            self.done.append(what[0] if len(what) == 1 else what)

    @property
    def alive(self) -> bool:
        """Whether the present life goes on."""
        return self.faulty is not None and not self.faulty.dead

    def die(self) -> None:
        """The process ends here."""
        assert self.faulty is not None
        self.faulty.dead = True

    def live(
        self,
        *things: Any,
        story: Story | None = None,
        at: int = 0,
        dies: Dies = None,
        times: int = 1,
        **options: Any,
    ) -> Any:
        """One life; what the story returned, None when it died on the way. *at* is the write that fails."""
        self.number += 1
        opened = partial(self._opened, at, dies, times)
        self._patch.setattr("loom.store.sqlite.SqliteBackend", opened)
        return run(self._life(things, story or _rest, options), clock=self.clock, seed=self.number)

    def _opened(self, at: int, dies: Dies, times: int, folder: str | Path, **options: Any) -> FaultyBackend:
        self.faulty = Mortal(SqliteBackend(folder, **options), at=at, dies=dies, times=times)
        return self.faulty

    async def _life(self, things: tuple[Any, ...], story: Story, options: dict[str, Any]) -> Any:
        asyncio.get_running_loop().set_exception_handler(_only_deaths)
        loom = new_loom(data=self.folder, **options)
        for thing in things:
            loom.add(thing, grants=self.grants)
        work = asyncio.ensure_future(self._tell(loom, story))
        while not work.done() and self.alive:
            await asyncio.sleep(0.01)
        assert self.faulty is not None
        if self.alive:
            return work.result()
        work.cancel()
        for cell in loom._cells.values():
            cell.status = "stopped"  # the dead take no further step, whatever is cancelled now
        await loom._services.scheduler.close()
        self.faulty.close()
        return None

    async def _tell(self, loom: Loom, story: Story) -> Any:
        async with loom:
            return await story(loom)

    def rows(self, family: Family = Family.EFFECTS) -> dict[str, Any]:
        """The effects on disk by key, or the keys of another family."""
        backend = SqliteBackend(self.folder, read_only=True)
        try:
            found = backend.scan(family, limit=100_000)
        finally:
            backend.close()
        if family is Family.EFFECTS:
            return {key.decode(): json.loads(row) for key, row in found}
        if family in (Family.OPEN, Family.ENDED):
            return {key[9:].decode(): unnumber(key) for key, _ in found}
        return {str(key): row for key, row in found}

    def statuses(self) -> list[str]:
        """How the effects stand, in the order of their keys."""
        return [row["status"] for row in self.rows().values()]


async def _rest(loom: Loom) -> None:
    await loom.idle()


def _only_deaths(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


@pytest.fixture
def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lives:
    return Lives(tmp_path / "data", monkeypatch)
