"""Durable subscriptions outside of agents: read in a loop, settled when the next event is asked for."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.bus import Subscription
from loom.errors import ConfigError, StoreError
from loom.event import Event, QoS
from loom.event.topic import check_pattern
from loom.journal._plain import plain_rows
from loom.journal._removal import entry_of
from loom.journal.committer import Commit
from loom.journal.cursor import Cursor, Known
from loom.journal.queue import DurableQueue
from loom.store import Backend, Family, Put
from loom.store.families import number, unnumber

if TYPE_CHECKING:
    from loom.journal.journal import Journal

Start = str | int | datetime
_ASKED = 1024  # settled events that are remembered before those on disk are forgotten


class FollowerQueue(DurableQueue):
    """The queue of a durable subscription that somebody reads.

    What a task took is settled when that task asks for more, or when another one does and the task has ended well. What
    a task took that failed or was cancelled is not settled: it comes again when the subscription is opened again.
    """

    __slots__ = ("_asked", "_journal", "_taken")

    def __init__(self, name: str, cursor: Cursor, journal: Journal, **options: Any) -> None:
        super().__init__(name, cursor, journal.settle, **options)
        self._journal = journal
        self._asked: set[int] = set()  # settled, and perhaps not on disk yet
        self._taken: dict[asyncio.Task[Any] | None, list[int]] = {}

    def take(self, now_ms: float) -> Event | None:
        """Hand over the oldest event; None when there is none."""
        event = super().take(now_ms)
        if event is not None:
            self._taken.setdefault(asyncio.current_task(), []).append(event.seq)
        return event

    def settle(self, count: int | None = None) -> None:
        """Count what this task has in flight as delivered; the journal remembers that soon, unless it is closed."""
        if self.closed:
            super().settle(count)
            return
        if not self._taken:
            return
        ended = self._taken.pop(asyncio.current_task(), [])
        for task in [task for task in self._taken if task is None or task.done()]:
            seqs = self._taken.pop(task)
            if task is None or not (task.cancelled() or task.exception() is not None):
                ended += seqs
        for seq in ended:
            if seq:
                self._asked.add(seq)
                self.settled(self.cursor, seq)
        if len(self._asked) > _ASKED:
            self._asked.intersection_update(self.cursor.outstanding)
        super().settle(len(ended))

    def close(self) -> None:
        """End the queue. What is not settled, and what comes from now on, is there when it is opened again."""
        if not self.closed:
            super().close()
            self._taken = {}
            rewind(self.cursor, self._asked)
            self.cursor.behind, self.cursor.more = True, _nobody
            self._journal.reader._wanting.pop(self.cursor, None)


def follow(journal: Journal, pattern: str, name: str, start: Start, options: dict[str, Any]) -> Subscription:
    """The durable subscription *name*, which goes on where it was; a new one begins at *start*.

    *options* are those of ``Bus.subscribe``, but for ``group`` and ``last``. Raises ConfigError, InvalidTopic.
    """
    place = place_of(name)
    _check(journal, name, options)
    check_pattern(pattern)
    begin = number_of(journal, start)
    filters = {f: options.pop(f, None) for f in ("types", "where")}
    known = place in journal.cursors
    cursor = journal.cursor(place, begin)
    try:
        queue = FollowerQueue(name, cursor, journal, **options)
    except BaseException:  # an option that makes no sense: nothing has begun
        if not known:
            del journal.cursors[place]
        raise
    cursor.queues[:] = [queue]
    cursor.behind, cursor.more = cursor.delivered < journal.head, partial(journal.reader.ask, cursor)
    subscription = Subscription(journal.bus, journal.bus.attach(pattern, queue, **filters))
    if cursor.behind:
        cursor.more()
    return subscription


async def forget(journal: Journal, name: str) -> None:
    """Return when the durable subscription *name* is no more: a new one of that name begins like any other.

    Raises ConfigError when there is none or somebody reads it, StoreError.
    """
    place = place_of(name)
    _check(journal, name, {})
    kept = journal.backend.get(Family.POSITIONS, place.encode()) is not None
    if journal.cursors.pop(place, None) is None and not kept:
        raise ConfigError(f"there is no durable subscription {name!r}")
    # With the first write all that it has settled has landed: nothing writes its position again after that.
    await _written(journal, [])
    await _written(journal, [Put(Family.POSITIONS, place.encode(), None)])


async def _written(journal: Journal, puts: list[Put]) -> None:
    landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def told(error: StoreError | None) -> None:
        if not landed.done():
            landed.set_result(None) if error is None else landed.set_exception(error)

    journal.committer.add(Commit(puts, told))
    await landed


def place_of(name: str) -> str:
    """The name under which the position of a durable subscription is kept; raises ConfigError."""
    if not isinstance(name, str) or not name or "\0" in name or not name.isprintable():
        raise ConfigError(f"a durable subscription cannot be called {name!r:.80}; give it a name to print")
    return f"follower {name}"


def number_of(journal: Journal, start: Start) -> int:
    """The number after which a new subscription begins; raises ConfigError."""
    if start == "now":
        return journal.head
    if start == "beginning":
        return 0
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ConfigError(f"start={start!r} is in no time zone; say datetime(..., tzinfo=UTC)")
        return number_at(journal.backend, int(start.timestamp() * 1000), journal.head)
    if isinstance(start, bool) or not isinstance(start, int) or start < 0:
        raise ConfigError(
            f'start={start!r:.80} must be "now", "beginning", the number of an event, or a datetime'
        )
    return start


def number_at(backend: Backend, at_ms: int, head: int) -> int:
    """The number before the first event of the journal that is not older than *at_ms*, Unix ms, found by bisection.

    Where events came out of the order of their timestamps, some on the wrong side of it are among them or left out.
    """
    low, high = 0, head  # every event up to low is older, the one after high is not
    while low < high:
        middle = (low + high) // 2
        found = _next_stamp(backend, middle + 1, high + 1)
        if found is None or found[1] >= at_ms:
            high = middle
        else:
            low = found[0]
    return low


def rewind(cursor: Cursor, settled: set[int]) -> None:
    """Let *cursor* begin again at the first event that is not among *settled*; what is beyond and settled stays so."""
    again = {seq for seq in cursor.outstanding if seq not in settled}
    again |= {seq for seq in cursor.known.open if seq > cursor.delivered}
    top = max(cursor.delivered, cursor.known.top)
    cursor.delivered = min(again, default=top + 1) - 1
    while top in again:  # the last one that is settled, or was not wanted
        top -= 1
    cursor.known = Known(top, frozenset(again))
    cursor._top = max(cursor._top, top)
    cursor.outstanding = {}


def _next_stamp(backend: Backend, start: int, end: int) -> tuple[int, int] | None:
    """Number and timestamp of the first event from *start* to before *end* that can be read."""
    key, last = number(start), number(end)
    while rows := plain_rows(backend, Family.JOURNAL, key, last, 4):
        for each, row in rows:
            entry = entry_of(each, row)
            if entry.id:
                return unnumber(each), entry.at_ms
        key = rows[-1][0] + b"\0"
    return None


def _check(journal: Journal, name: str, options: dict[str, Any]) -> None:
    taken = journal.cursors.get(place_of(name))
    if taken is not None and not taken.closed:
        raise ConfigError(f"somebody reads the durable subscription {name!r} already; close that one first")
    wrong = next((option for option in ("group", "last", "name") if option in options), None)
    if wrong is not None:
        raise ConfigError(f"a durable subscription takes no {wrong}=; it has a name, and starts at start=")
    if QoS(options.get("qos", QoS.BATCHED)) is QoS.REALTIME:
        raise ConfigError(
            f"the durable subscription {name!r} cannot be REALTIME: that never waits for a disk"
        )


def _nobody() -> None:
    """For a cursor nobody reads from."""
