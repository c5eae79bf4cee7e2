"""Reading on: subscriptions that are behind get their events from the journal, those at the same place together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from loom.errors import Closed, StoreError
from loom.journal.queue import cursor_of
from loom.journal.row import LOST, decode_event, topic_of
from loom.store import Family
from loom.store.families import number, unnumber

if TYPE_CHECKING:
    from loom.journal.cursor import Cursor
    from loom.journal.journal import Journal

_CHUNK = 64  # rows looked at in one turn of the loop
_AGAIN = 1.0  # seconds until what could not be read is read again


class Reader:
    """Serves the cursors that are behind and have room, in turns of a few rows, so that none waits for another.

    ``unreadable`` counts rows that make no sense: nobody gets them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._wanting: dict[Cursor, None] = {}
        self._scheduled = False
        self.unreadable = 0
        self._thread = ThreadPoolExecutor(1, "loom journal")

    def ask(self, cursor: Cursor) -> None:
        """Let *cursor* have its next events, soon."""
        if cursor not in self._wanting:
            self._wanting[cursor] = None
            self._schedule()

    def close(self) -> None:
        """Read nothing any more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _schedule(self) -> None:
        if not self._scheduled and self._wanting:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Have the next rows read for the cursor that waits longest, and for all who are at the same place.

        In a thread: SQLite gives Python's lock up at each row, and would have the loop wait for the writer each time.
        """
        self._scheduled = False
        journal = self._journal
        if journal.committer.closed or journal.bus.closed or not self._wanting:
            return
        self._scheduled = True
        first = next(iter(self._wanting))
        del self._wanting[first]  # it may ask again meanwhile
        start, head = first.delivered + 1, journal.head
        job = partial(journal.backend.scan, Family.JOURNAL, number(start), number(head + 1), _CHUNK)
        rows = asyncio.get_running_loop().run_in_executor(self._thread, job)
        rows.add_done_callback(partial(self._came, first, start, head))

    def _came(
        self, first: Cursor, start: int, head: int, read: asyncio.Future[list[tuple[bytes, bytes]]]
    ) -> None:
        """Hand out rows that were read from *start* on, when the journal went up to *head*."""
        self._scheduled = False
        journal = self._journal
        if read.cancelled() or journal.committer.closed or journal.bus.closed:
            return
        along: set[Cursor] = set()
        seq = start
        try:
            rows = read.result()
            reached = unnumber(rows[-1][0]) if len(rows) == _CHUNK else head
            # Meanwhile one may have closed, or have gone back to where it was: these rows are not for it.
            there = [c for c in (first, *self._wanting) if not c.closed]
            along = {c for c in there if start <= c.delivered + 1 <= reached + 1}
            for key, row in rows:
                seq = unnumber(key)
                self._hand_out(seq, row, along)
        except (StoreError, Closed) as error:  # nothing is wrong with the row: it cannot be read now
            journal.complain(error)
            for cursor in along:
                cursor.delivered = max(cursor.delivered, seq - 1)
            self._wanting[first] = None
            self._scheduled = True
            asyncio.get_running_loop().call_later(_AGAIN, self._turn)
            return
        for cursor in along:
            self._arrive(cursor, reached)
        if first in along and first.behind:
            self._wanting[first] = None
        self._schedule()

    def _arrive(self, cursor: Cursor, reached: int) -> None:
        cursor.delivered = max(cursor.delivered, reached)
        if cursor.delivered >= self._journal.head:
            cursor.behind = False
            self._wanting.pop(cursor, None)
            cursor.grant()
            for queue in cursor.queues:
                queue.notify()  # a younger event of its lane may have waited for this
            self._journal.on_idle()

    def _hand_out(self, seq: int, row: bytes, along: set[Cursor]) -> None:
        """Give one row to those of *along* who want it; who has no room for it goes no further."""
        journal = self._journal
        if not self._wanted(topic_of(row), seq, along):
            return
        try:
            event = decode_event(seq, row, journal.vault)
        except LOST:
            self.unreadable += 1
            return
        for queue in journal.bus.receivers(event):
            cursor = cursor_of(queue)
            if cursor is None or cursor not in along or seq <= cursor.delivered or cursor.settled(seq):
                continue
            if queue.closed or not queue.takes(event):  # type: ignore[attr-defined]
                along.discard(cursor)
                self._wanting.pop(cursor, None)
                cursor.delivered = seq - 1
                continue
            cursor.look_at(seq, wanted=True)
            queue._accept(event)

    def _wanted(self, topic: str, seq: int, along: Iterable[Cursor]) -> bool:
        """Whether one of *along* may want an event on *topic*: asked before anything is decoded."""
        queues = self._journal.bus.route(topic).listeners()
        cursors = {cursor_of(queue) for queue in queues}
        return any(c in cursors and seq > c.delivered for c in along)
