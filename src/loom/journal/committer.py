"""Group commit: whatever gathers during one write is the next one. No timer, one writer thread, one write at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TypeVar

from loom.errors import Closed, StoreError
from loom.store import Backend, Family, Put

if TYPE_CHECKING:
    from loom.journal.cursor import Cursor

log = logging.getLogger("loom.journal")
_SLICE = 0.0005  # seconds of telling after which the loop gets its turn: something REALTIME may be due
T = TypeVar("T")
Landed = Callable[[StoreError | None], None]


class Commit:
    """What is kept together or not at all; *told* hears once, in order, with the error if it is not kept.

    ``last`` is the greatest sequence number among its events, 0 if it has none; ``settles`` the inputs it ends.
    """

    __slots__ = ("_told", "last", "puts", "settles", "sync")

    def __init__(
        self,
        puts: list[Put],
        told: Landed,
        sync: bool = True,
        last: int = 0,
        settles: tuple[tuple[Cursor, int], ...] = (),
    ) -> None:
        self.puts = puts
        self._told = told
        self.sync = sync
        self.last = last
        self.settles = settles

    def landed(self, error: StoreError | None) -> None:
        """Hear what became of it."""
        self._told(error)


class Companion(Protocol):
    """Who adds to a write what is only worth writing once: positions, states."""

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """What goes with *batch*, which leaves now."""
        ...

    def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
        """*batch* is kept, or not."""
        ...


class Committer:
    """Gathers commits on the loop's thread, writes them in a thread of its own, tells each when it has landed."""

    def __init__(self, backend: Backend, capacity: int = 2048) -> None:
        self._backend = backend
        self._capacity = capacity
        self._gathered: list[Commit] = []
        self._flying: list[Commit] = []
        self._written: list[Put] = []
        self._spare: list[Put] = []  # leaves of a write that failed, for what has gathered may refer to them
        self._thread = ThreadPoolExecutor(1, "loom store")
        self._soon = False
        self._waiters: deque[list[asyncio.Future[None]]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self.companions: list[Companion] = []
        self.commits = self.writes = self.failures = 0
        self.closed = False
        self.on_idle: Callable[[], None] = lambda: None

    def add(self, commit: Commit) -> None:
        """Have *commit* written with the next write; raises Closed."""
        if self.closed:
            raise Closed("the store is closed; nothing can be kept any more")
        self._gathered.append(commit)
        if not self._soon and not self._flying:
            self._schedule()

    @property
    def busy(self) -> bool:
        """Whether anything has still to land."""
        return bool(self._gathered or self._flying)

    @property
    def gathered(self) -> int:
        """Commits that wait for the next write."""
        return len(self._gathered)

    @property
    def full(self) -> bool:
        """Whether so much has gathered that publishers have to wait."""
        return len(self._gathered) >= self._capacity

    async def room(self) -> None:
        """Return when there is room for another commit, in order of asking."""
        if not self.full and not self._waiters:
            return
        loop = asyncio.get_running_loop()
        place = [loop.create_future()]
        self._waiters.append(place)
        try:
            await place[0]
            while self.full:
                place[0] = loop.create_future()
                await place[0]
        finally:
            self._waiters.remove(place)
            loop.call_soon(self._next)  # after whoever has room now has used it

    def withdraw(self, doomed: Callable[[Commit], bool]) -> list[Commit]:
        """Take gathered commits that have not left yet out again; returns them, in order. Nobody is told."""
        gone = [commit for commit in self._gathered if doomed(commit)]
        if gone:
            self._gathered = [commit for commit in self._gathered if not doomed(commit)]
            self._spare += _leaves(put for commit in gone for put in commit.puts)
            self._next()
        return gone

    async def perform(self, job: Callable[[], T]) -> T:
        """The result of *job*, run in the writer's thread between two writes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def drained(self) -> None:
        """Return when everything that was added has landed."""
        while self._gathered or self._flying:
            if self._idle is None or self._idle.done():
                self._idle = asyncio.get_running_loop().create_future()
            if not self._soon and not self._flying:
                self._schedule()
            await asyncio.shield(self._idle)

    def close(self) -> None:
        """Write nothing any more, and let the thread end after what it is doing; what has gathered is not kept."""
        self.closed = True
        left, self._gathered = self._gathered, []
        for commit in left:
            self._tell(commit, StoreError("the store was closed before this could be written"))
        for (waiter,) in self._waiters:
            if not waiter.done():
                waiter.set_exception(Closed("the store was closed while a publisher waited for room"))
        self._thread.shutdown(wait=True)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # before the loop runs: ``drained`` or the next ``add`` sends it off
        self._soon = True
        loop.call_soon(self._send)

    def _send(self) -> None:
        self._soon = False
        if self._flying or not self._gathered or self.closed:
            return
        # All of them: a state that goes along is that after every step so far.
        batch, self._gathered = self._gathered, []
        self._flying = batch
        puts = [put for commit in batch for put in commit.puts]
        if self._spare:
            puts, self._spare = self._spare + puts, []
        loop = asyncio.get_running_loop()
        written: asyncio.Future[StoreError | None]
        try:
            for companion in self.companions:
                puts += companion.finish(batch)
        except Exception as failure:  # noqa: BLE001 - something could not be read, say: as if it could not be written
            written = loop.create_future()
            written.set_result(_as_store_error(failure))
        else:
            sync = any(commit.sync for commit in batch)
            written = loop.run_in_executor(self._thread, self._write, puts, sync)
        self._written = puts
        written.add_done_callback(partial(self._land, batch))
        self._next()

    def _next(self) -> None:
        """Let the first who waits for room go on, if there is any; the one after it follows then."""
        if self._waiters and not self.full and not self._waiters[0][0].done():
            self._waiters[0][0].set_result(None)

    def _tell(self, commit: Commit, error: StoreError | None) -> None:
        try:
            commit.landed(error)
        except Exception:  # who else waits for this write must hear of it too
            log.exception("what waited for a write failed when it was told")

    def _write(self, puts: list[Put], sync: bool) -> StoreError | None:
        try:
            self._backend.write(puts, sync)
        except Exception as failure:  # noqa: BLE001 - whatever it is, who waits must hear of it
            return _as_store_error(failure)
        return None

    def _land(self, batch: list[Commit], written: asyncio.Future[StoreError | None]) -> None:
        if written.cancelled():  # the loop is ending: nobody waits any more
            return
        error = written.result()
        self.writes += 1
        if error is None:
            self.commits += len(batch)
        else:
            self.failures += 1
            self._spare = self._spare + _leaves(self._written) if self._gathered else []
        self._written = []
        for companion in self.companions:
            companion.landed(batch, error)
        self._tell_on(iter(batch), error)

    def _tell_on(self, left: Iterator[Commit], error: StoreError | None) -> None:
        """Tell the commits of a write one after the other, and let the loop have its turn once a slice."""
        end = monotonic() + _SLICE
        for commit in left:
            self._tell(commit, error)
            if monotonic() > end:
                asyncio.get_running_loop().call_soon(self._tell_on, left, error)
                return
        self._flying = []
        if self._gathered and not self._soon:
            self._send()
        if not self.busy:
            if self._idle is not None and not self._idle.done():
                self._idle.set_result(None)
            self.on_idle()


def _as_store_error(failure: Exception) -> StoreError:
    if isinstance(failure, StoreError):
        return failure
    error = StoreError(f"the store failed: {type(failure).__name__}: {failure}")
    error.__cause__ = failure
    return error


def _leaves(puts: Iterable[Put]) -> list[Put]:
    return [put for put in puts if put.family is Family.BLOBS and put.value is not None]
