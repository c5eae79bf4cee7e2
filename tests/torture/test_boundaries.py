"""A store that fails, or a process that dies, at any write of a short run leaves everything done exactly once."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from loom import Loom
from loom.errors import StoreError
from loom.store.backend import Put
from loom.store.sqlite import SqliteBackend
from loom.testing import new_loom, run
from tests.store.faulty import Died, FaultyBackend
from torture import _agents
from torture._agents import everything, known
from torture._oracle import Act, Book, Report, judge
from torture._plan import ALL, items
from torture._subject import named, rooms

PUBLISHERS, COUNT = 4, 3
Dies = Literal["before", "after"] | None


class Mortal(FaultyBackend):
    """Says that the process has died, so that nothing more happens in it."""

    died: asyncio.Future[None]

    def _boundary(self, do: Callable[[], None], puts: Sequence[Put]) -> None:
        try:
            super()._boundary(do, puts)
        except Died:
            self.died.get_loop().call_soon_threadsafe(_set, self.died)
            raise


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Trial:
    """One folder, a life in which one write fails, a second one that finishes, and the book of both."""

    def __init__(self, folder: Path, only: frozenset[str]) -> None:
        self.folder = folder
        self.todo = {p: items(1, p, COUNT, only, few=True) for p in range(PUBLISHERS)}
        self.book = Book()
        self.refused = 0
        self.faulty: Mortal | None = None
        self.writes = 0
        self.dead: list[tuple[str, str]] = []

    async def device(self, name: str, mark: str, key: str) -> int:
        """The actuator."""
        self.book.acts.append(Act(name, mark, key, len(self.book.acts)))
        return len(self.book.acts) - 1

    def opened(self, at: int, dies: Dies, folder: str | Path, **options: bool) -> Mortal:
        """What the runtime gets for a backend."""
        self.faulty = Mortal(SqliteBackend(folder, **options), at=at, dies=dies)
        return self.faulty

    async def life(self) -> Report | None:
        """Publish what is left to publish, come to rest, tell what is known; None when it dies on the way."""
        asyncio.get_running_loop().set_exception_handler(_only_deaths)
        loom = new_loom(*everything(1, few=True), data=self.folder)
        _agents.approve = loom.approve
        assert self.faulty is not None
        self.faulty.died = died = asyncio.get_running_loop().create_future()
        work = asyncio.ensure_future(self.work(loom))
        await asyncio.wait({work, died}, return_when=asyncio.FIRST_COMPLETED)
        if self.faulty.dead:
            await loom._services.scheduler.close()  # its runners must not outlive the loop of this test
            self.faulty.close()
            return None
        return work.result()

    async def work(self, loom: Loom) -> Report:
        await loom.start()  # and no ``async with``: a process that dies does not stop anything
        await asyncio.gather(*(self.publish(loom, p) for p in self.todo))
        await asyncio.sleep(30)  # timers ring, failed commits are tried again
        await loom.idle()
        self.dead = [(letter.agent, letter.id) for letter in loom.dead.letters()]
        agents = {name: known(cell.instance) for name, cell in loom._cells.items() if named(name)}
        agents |= rooms(loom)
        await loom.stop()
        return Report(agents, self.dead)

    async def publish(self, loom: Loom, publisher: int) -> None:
        while self.todo[publisher]:
            item = self.todo[publisher][0]
            self.book.tried[item.id] = item
            try:
                await loom.publish(item.topic, item.payload, id=item.id)
            except StoreError:
                self.refused += 1
                continue  # the same event again
            self.book.acked.add(item.id)
            self.todo[publisher].pop(0)

    def play(self, monkeypatch: pytest.MonkeyPatch, at: int, dies: Dies) -> list[str]:
        """Both lives; everything that is wrong in the end."""
        monkeypatch.setattr(_agents, "device", self.device)
        for failing in (at, 0):
            monkeypatch.setattr("loom.store.sqlite.SqliteBackend", partial(self.opened, failing, dies))
            report = run(self.life())
            assert self.faulty is not None
            self.writes = self.writes or self.faulty.writes
            if report is not None and failing == 0:
                return judge(self.book, report)
        return ["the second life died as well"]


def _only_deaths(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


@pytest.mark.parametrize("dies", [None, "before", "after"], ids=["full", "dies before", "dies after"])
def test_any_write_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: Dies) -> None:
    wrong: dict[int, list[str]] = {}
    at, writes, refused = 0, 1, 0
    while at <= writes:  # boundary 0: nothing fails, and the writes are counted
        trial = Trial(tmp_path / str(at), ALL)
        if problems := trial.play(monkeypatch, at, dies):
            wrong[at] = problems[:5]
        writes = trial.writes if at == 0 else writes
        refused += trial.refused
        at += 1
    assert wrong == {}
    assert writes > 10
    assert bool(refused) is (dies is None), "a publisher hears of a write that failed, and of no other"
