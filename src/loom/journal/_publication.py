"""One call of publish on its way to disk: its events in parts, and who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from loom.bus import Line, Queue
from loom.errors import StoreError
from loom.event import Event
from loom.journal.committer import Commit
from loom.journal.cursor import Cursor
from loom.store import Put

if TYPE_CHECKING:
    from loom.journal.journal import Journal


class Single(Commit):
    """One new event and its publisher: what nearly every call of publish is, in one object."""

    __slots__ = ("_cursors", "_error", "_event", "_flying", "_journal", "_waiters", "line")

    def __init__(self, journal: Journal, event: Event, puts: list[Put], cursors: Sequence[Cursor]) -> None:
        self.puts = puts
        self.sync = journal.rules.of(event._topic).sync
        self.last = event._journal
        self.settles = ()
        self.line: Line | None = None
        """Where its publisher has to wait for room although a place was promised: in queues that keep no place."""
        self._journal = journal
        self._event = event
        self._cursors = cursors
        self._error: StoreError | None = None
        self._flying = True
        self._waiters: list[asyncio.Future[None]] = []

    def landed(self, error: StoreError | None) -> None:
        """Deliver the event, which is on disk, or note the error; its places are free for others then."""
        journal, event = self._journal, self._event
        journal.arrived(event, self._cursors, error)
        self._flying, self._error = False, error
        if error is None and (full := journal.deliver(event)):
            self.line = Line(event, full)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        for cursor in self._cursors:
            if cursor.waiters:
                cursor.grant()

    async def _on_disk(self) -> None:
        if self._flying:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        error = self._error
        if error is not None:
            raise error


class Part:
    """What of a publication goes to disk at once."""

    __slots__ = ("_publication", "cursors", "events", "last", "puts", "sync")

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self.events: list[Event] = []
        self.puts: list[Put] = []
        self.cursors: list[Cursor] = []
        self.sync = False
        self.last = 0

    def landed(self, error: StoreError | None) -> None:
        """It is on disk, or it is not."""
        self._publication.part_landed(self, error)


class Publication:
    """Events that one publisher waits for. *deliver* puts one into its queues and returns those without room.

    *overflow* says what becomes of it before such a queue: it ``waits`` (and so does its publisher), ``waits a little``
    (where the line is not longer than the queue) or is ``refused``.
    """

    __slots__ = ("_deliver", "_error", "_left", "_lines", "_others", "_overflow", "_part", "_waiters")

    def __init__(self, deliver: Callable[[Event], list[list[Queue]]], overflow: str = "waits") -> None:
        self._deliver = deliver
        self._overflow = overflow
        self._left = 0
        self._error: StoreError | None = None
        self._part: Part | None = None
        self._lines: list[Line] = []
        self._others: list[Publication | Single] = []
        self._waiters: list[
            asyncio.Future[None]
        ] = []  # each its own: one that is cancelled disturbs no other

    def add(self, event: Event, puts: list[Put], cursors: Sequence[Cursor], sync: bool = True) -> None:
        """Let *event* be part of it."""
        part = self._part
        if part is None:
            part = self._part = Part(self)
        part.events.append(event)
        part.puts += puts
        part.cursors += cursors
        part.sync = part.sync or sync
        part.last = event.seq

    def join(self, other: Publication | Single) -> None:
        """Wait for *other* too: it has the same event."""
        if other is not self:
            self._others.append(other)

    def take(self) -> Part | None:
        """What has been added since the last call."""
        part, self._part = self._part, None
        if part is not None:
            self._left += 1
        return part

    def part_landed(self, part: Part, error: StoreError | None) -> None:
        """Deliver the events of *part*, which are on disk; or note the error."""
        self._left -= 1
        if error is not None:
            self._error = error
        else:
            for event in part.events:
                full = self._deliver(event)
                if full:
                    self._line_up(event, full)
        if not self._left:
            for waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._waiters.clear()

    async def wait(self, timeout: float | None) -> None:
        """Return when everything is on disk and delivered; raises StoreError, Overloaded, Closed."""
        await self._on_disk()
        for other in self._others:
            await other._on_disk()
        for line in self._lines:
            await line.wait(timeout)

    async def _on_disk(self) -> None:
        while self._left:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._error is not None:
            raise self._error

    def _line_up(self, event: Event, full: list[list[Queue]]) -> None:
        """Stand in line with *event* before its full queues, or have it refused there."""
        if self._overflow != "waits":
            refused = [q for q in full if self._overflow == "refused" or q[0].waiting >= q[0].capacity]
            for queues in refused:
                queues[0].put(event)  # has no room: counts the refusal
            full = [q for q in full if q not in refused]
        if full:
            self._lines.append(Line(event, full))
