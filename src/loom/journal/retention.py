"""Retention: taking away what of the journal has outlived its rule, with everything that hangs on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from loom.errors import Closed, StoreCorrupt
from loom.journal._judges import ALL, NAMES, Entry, Judge, Limits, Replaced, Share, halves
from loom.journal._plain import Found, each_row, plain_rows
from loom.journal._removal import Removal, entry_of
from loom.journal.dead import read_letter
from loom.journal.rules import AGE
from loom.journal.steps import read_step
from loom.store import Family
from loom.store.families import number, unnumber

if TYPE_CHECKING:
    from loom.journal.journal import Journal

T = TypeVar("T")
_READ = 256  # rows read in one job of the writer's thread
_TAKE = 32  # events taken away in one: each is looked up in five places
_BYTES = 1 << 20  # rows of so many bytes are read fewer at a time


class Page(NamedTuple):
    """Some events of the journal, the key after them, and how many bytes they took."""

    entries: list[Entry]
    following: bytes
    nbytes: int


class Retention:
    """Applies the rules of one journal, a few rows at a time, in the writer's thread, between the writes.

    These stay whatever a rule says: what a connected durable subscription has not handled yet, what a dead letter
    names, what cannot be read, and the very last event, from which the numbers go on.

    *names* is how many topics, or keys of compacted topics, are held in memory; where there are more, the journal is
    read several times, for a part of them each. ``rebased`` are the agents whose past states are not told any more
    until they write down a whole one.
    """

    def __init__(self, journal: Journal, names: int = NAMES) -> None:
        self._journal = journal
        self._backend = journal.backend
        self._names = names
        self._removal = Removal(journal.backend)
        self._bound = 0
        self._spared: frozenset[int] = frozenset()
        self.removed = 0

    @property
    def rebased(self) -> set[str]:
        """The agents that have lost every whole state from which their past is told."""
        return self._removal.rebased

    async def apply(self, now_ms: int) -> int:
        """Take away what has outlived its rule at *now_ms*, Unix ms; returns how many events.

        Raises StoreError, Closed. What was taken away before stays so: each event goes as a whole, or not at all.
        """
        if self._journal.committer.closed:
            raise Closed("the store is closed; nothing can be taken away from it any more")
        self._journal.flush()
        self._removal = Removal(self._backend)
        self._bound = self._reach()
        self._spared = await self._perform(self._named_by_letters)  # all up to the bound have given up by now
        of, before = self._journal.rules.of, self.removed
        if self._journal.rules.compacts:
            await self._take(lambda share: Replaced(of, now_ms, share, self._names), True)
        await self._take(lambda share: Limits(of, now_ms, share, self._names), self._journal.rules.limits)
        await self._take_steps(now_ms)
        return self.removed - before

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _take(self, judging: Callable[[Share], Judge], telling: bool) -> None:
        """Take away what a judge says, who is told of everything first if *telling*; half of the names if too many."""
        shares = [ALL]
        while shares:
            share = shares.pop()
            judge = judging(share)
            if telling and not await self._told(judge):
                shares += halves(share)
                continue
            async for page in self._pages():
                gone = [e for e in page.entries if judge.outlived(e) and e.seq not in self._spared]
                for start in range(0, len(gone), _TAKE):
                    await self._remove(gone[start : start + _TAKE])

    async def _told(self, judge: Judge) -> bool:
        """Tell *judge* of all events; False when they are too many for it."""
        async for page in self._pages(everything=True):
            for entry in page.entries:
                judge.note(entry)
            if judge.full:
                return False
        return True

    async def _remove(self, gone: list[Entry]) -> None:
        bound = min(self._bound, self._reach())  # a new subscription may begin at the beginning
        gone = [entry for entry in gone if entry.seq <= bound]
        if gone:
            self.removed += await self._perform(partial(self._removal.take, gone))

    async def _pages(self, everything: bool = False) -> AsyncIterator[Page]:
        """The events that may go, or *everything* that was there, the oldest first."""
        start, limit = b"", 16
        end = number((self._journal.head if everything else self._bound) + 1)
        while True:
            page: Page = await self._perform(partial(self._page, start, end, limit))
            if not page.entries:
                return
            yield page
            start = page.following
            limit = max(1, limit // 4) if page.nbytes > _BYTES else min(_READ, 2 * limit)

    def _page(self, start: bytes, end: bytes, limit: int) -> Page:
        rows = plain_rows(self._backend, Family.JOURNAL, start, end, limit)
        entries = [entry_of(key, row) for key, row in rows]
        following = rows[-1][0] + b"\0" if rows else start
        return Page(entries, following, sum(len(row) for _, row in rows if isinstance(row, bytes)))

    async def _perform(self, job: Callable[[], T]) -> T:
        if self._journal.committer.closed:
            raise Closed("the store was closed before retention had come to its end; it goes on next time")
        return await self._journal.committer.perform(job)

    def _reach(self) -> int:
        """The greatest number that may go: everybody has handled it, and it is not the last one."""
        return max(0, min(handled(self._journal), self._journal.head - 1))

    def _named_by_letters(self) -> frozenset[int]:
        return frozenset(seqs_of_letters(each_row(self._backend, Family.DEAD)))

    # --- steps without an event in the journal --------------------------------------------------------------------

    async def _take_steps(self, now_ms: int) -> None:
        """Take away the steps of events that were not journalled: those before the oldest event, and what is old."""
        first = await self._perform(lambda: plain_rows(self._backend, Family.JOURNAL, limit=1))
        bound = min(self._bound, self._reach())
        oldest = min(unnumber(first[0][0]) if first else bound, bound)
        await self._take_some_steps(b"", number(oldest), lambda key, row: True)
        too_old = partial(_is_old, now_ms - AGE * 1000)
        await self._take_some_steps(number(bound), None, too_old)

    async def _take_some_steps(
        self, start: bytes, end: bytes | None, doomed: Callable[[bytes, Found], bool]
    ) -> None:
        while rows := await self._perform(
            partial(plain_rows, self._backend, Family.STEPS, start, end, _TAKE)
        ):
            gone = [(key, row) for key, row in rows if doomed(key, row)]
            if gone:
                await self._perform(partial(self._removal.take_steps, gone))
            start = rows[-1][0] + b"\0"


def handled(journal: Journal) -> int:
    """The number up to which every subscription that is there has handled everything."""
    places = [c.handled for c in journal.cursors.values() if not c.closed]
    return min((*places, journal.head))


def seqs_of_letters(rows: Iterator[tuple[bytes, Found]]) -> Iterator[int]:
    """The numbers of the events that dead letters name; one that cannot be read names none."""
    for key, row in rows:
        try:
            letter = None if isinstance(row, Exception) else read_letter(key, row)
        except StoreCorrupt:
            continue
        if letter is not None and letter.seq:
            yield letter.seq


def _is_old(before_ms: float, key: bytes, row: Found) -> bool:
    """Whether *row* is the step of an event that was not journalled, made before *before_ms*."""
    if key.count(b"\0", 9) == 0 or isinstance(row, Exception):
        return False
    try:
        return read_step(key, row).at_ms < before_ms
    except StoreCorrupt:
        return False
