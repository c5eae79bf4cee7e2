"""The journal: the events of the kept topics in one order, on disk before anybody sees them, and who read how far."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from loom.bus import Bus, Queue
from loom.bus._delivery import require_room
from loom.errors import Overloaded, StoreError, WouldBlock
from loom.event import Event, QoS
from loom.journal._publication import Part, Publication, Single
from loom.journal._reader import Reader
from loom.journal.committer import Commit, Committer
from loom.journal.cursor import Cursor, read_position
from loom.journal.queue import DurableQueue
from loom.journal.row import decode_event, encode_event
from loom.journal.rules import Rules
from loom.store import Backend, Family, Put
from loom.store.backend import row_put
from loom.store.families import number, unnumber
from loom.store.vault import Vault

log = logging.getLogger("loom.journal")
_AGAIN = 1.0  # seconds until what could not be kept is tried again
_BREATH = 16  # events of one publish_many after which the loop gets its turn
_JOURNAL, _IDS, _CAUSES, _POSITIONS = (
    Family.JOURNAL,
    Family.IDS,
    Family.CAUSES,
    Family.POSITIONS,
)  # an Enum is slow
_LAG = 1024  # how far a kept position may be behind; so much is looked at again after a crash


class Journal:
    """Implements the Spool of the bus over a Backend.

    ``seq`` is the number given last, ``head`` the last one that was delivered: between them is what is being written.
    """

    def __init__(
        self, backend: Backend, bus: Bus, rules: Rules | None = None, vault: Vault | None = None
    ) -> None:
        self.backend = backend
        self.vault = vault or Vault(backend)
        self.bus = bus
        self.rules = rules or Rules()
        self.committer = Committer(backend)
        self.committer.companions.append(self)
        self.committer.on_idle = self._at_rest
        last = backend.last(Family.JOURNAL)
        self.seq = self.head = unnumber(last) if last is not None else 0
        self.cursors: dict[str, Cursor] = {}
        self.duplicates = self.errors = 0
        self.reader = Reader(self)
        self.on_idle: Callable[[], None] = lambda: None
        # by the ids of their events, until these have landed
        self._flying: dict[str, Publication | Single] = {}
        self._staged: list[Cursor] = []
        self._lagging: list[Cursor] = []
        self._swept = self.seq
        bus.attach_spool(self)

    # --- publishing: the Spool ------------------------------------------------------------------------------------

    def keeps(self, topic: str, queues: Iterable[Queue]) -> bool:
        """Whether events on *topic* are kept: a durable subscription or a rule wants them, and no rule forbids it."""
        wanted = self.rules.of(topic).keep
        return any(queue.durable for queue in queues) if wanted is None else wanted

    def places(self, queues: Iterable[Queue]) -> Sequence[Cursor]:
        """The subscriptions behind *queues* in which a publisher needs a place, always in the same order."""
        found = {q.cursor for q in queues if isinstance(q, DurableQueue) and q.qos is QoS.BATCHED}
        return sorted(found, key=lambda c: c.serial) if len(found) > 1 else tuple(found)

    async def publish(self, events: Sequence[Event], timeout: float | None = None) -> None:
        """Wait for room, keep *events* and deliver them when they are on disk.

        Raises Overloaded when *timeout* seconds were not enough to find room (what was admitted before is kept),
        StoreError when they could not be kept: then none that was not delivered is.
        """
        if len(events) == 1 and (single := self._admit_now(events[0])) is not None:
            await single._on_disk()
            if single.line is not None:
                await single.line.wait(timeout)
            return
        publication = Publication(self.deliver)
        cursors: Sequence[Cursor] = ()
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                for place, event in enumerate(events, 1):
                    if not place % _BREATH:
                        self._submit(publication)
                        await self.bus.breathe()
                    cursors = self._cursors(event)
                    if self.committer.full or not all(c.has_room() for c in cursors):
                        self._submit(publication)
                        await self._places(cursors)
                    else:
                        for cursor in cursors:
                            cursor.admit()
                    self._prepare(event, publication, cursors)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._overloaded(cursors, f"stayed full for {timeout} s") from None
        finally:
            self._submit(publication)
        await publication.wait(timeout)

    def _admit_now(self, event: Event) -> Single | None:
        """Send a single new event off if there is room: nearly always, and cheaper than in company."""
        if event._id is not None or self.committer.full:
            return None
        cursors = self._cursors(event)
        for cursor in cursors:
            if not cursor.has_room():
                return None
        try:
            single = Single(self, event, self.rows(event), cursors)
            self.committer.add(single)
        except BaseException:
            self.vault.forget()  # leaves that are not written are not kept
            raise
        self._flying[event.id] = single  # it may be published again before it has landed
        for cursor in cursors:
            cursor.admitted += 1
        return single

    def publish_nowait(self, event: Event) -> None:
        """Have *event* kept and delivered soon; raises WouldBlock, InvalidEvent."""
        cursors = self._cursors(event)
        full = next((c for c in cursors if not c.has_room()), None)
        if full is not None or self.committer.full:
            name = "the store" if full is None else repr(full.queues[0].name)
            raise WouldBlock(f"{name} has no room for {event!r}")
        require_room(event, [q for q in self.bus.receivers(event) if not q.durable])
        for cursor in cursors:
            cursor.admit()
        self._prepare_one(event, cursors)

    def offer(self, event: Event) -> bool:
        """Have *event* kept and delivered soon, unless every subscription that wants it is full."""
        cursors = self._cursors(event)
        if self.committer.full or (cursors and not any(c.has_room() or c.catches_up for c in cursors)):
            for cursor in cursors:
                cursor.queues[0].refused += 1
            return False
        for cursor in cursors:
            cursor.admit()
        self._prepare_one(event, cursors, "refused")
        return True

    def append(self, event: Event) -> None:
        """Have *event* kept and delivered soon, room or not: what the runtime itself has to say."""
        if not event.seq:
            self._prepare_one(event, ())

    # --- for commits of others ------------------------------------------------------------------------------------

    def rows(self, event: Event) -> list[Put]:
        """What keeps *event*, which gets its number by this; raises InvalidEvent, PayloadTooLarge."""
        key = number(self.seq + 1)
        puts: list[Put] = []
        row = encode_event(event, self.vault, puts)
        self.seq += 1
        event._journal = self.seq
        id = event.id
        puts.append(row_put((_JOURNAL, key, row)))
        puts.append(row_put((_IDS, id.encode(), key)))
        cause = event._origin[3]
        if cause is not None:
            puts.append(row_put((_CAUSES, f"{cause}\0event\0{id}".encode(), key)))
        return puts

    def arrived(self, event: Event, cursors: Sequence[Cursor], error: StoreError | None) -> None:
        """*event* is on disk, or could not be kept: it needs the places in *cursors* no longer."""
        self.reached(event._journal)
        self._flying.pop(event.id, None)
        if error is not None:
            event._journal = 0
        for cursor in cursors:
            cursor.admitted -= 1

    def deliver(self, event: Event) -> list[list[Queue]]:
        """Deliver *event*, which is on disk, to all that have room; the full queues as ``Bus.deliver`` gives them."""
        return [] if self.bus.closed else self.bus.deliver(event)

    def drop(self, event: Event) -> None:
        """End *event*, which is on disk and was delivered to nobody: its scope was cancelled."""
        for queue in self.bus.receivers(event):
            if isinstance(queue, DurableQueue):
                queue.drop(event)

    def reached(self, last: int) -> None:
        """Everything up to *last* is on disk and is delivered now."""
        if last > self.head:
            self.head = last

    # --- subscriptions --------------------------------------------------------------------------------------------

    def cursor(self, name: str, start: str | int = "now") -> Cursor:
        """The durable subscription called *name*; a new one begins at *start*."""
        known = self.cursors.get(name)
        if known is not None:
            return known
        row = self.backend.get(Family.POSITIONS, name.encode())
        if row is not None:
            position, beyond = read_position(name, row)
            cursor = Cursor(name, min(position, self.seq), beyond._replace(top=min(beyond.top, self.seq)))
        else:
            begin = self.head if start == "now" else 0 if start == "beginning" else int(start)
            cursor = Cursor(name, max(0, min(begin, self.head)), fresh=True)
        cursor.behind = cursor.delivered < self.head
        cursor.more = partial(self.reader.ask, cursor)
        self.cursors[name] = cursor
        return cursor

    def wake(self) -> None:
        """Let every subscription that is behind read on."""
        for cursor in self.cursors.values():
            if cursor.behind:
                cursor.more()

    def close(self) -> None:
        """Write and read nothing any more; what has gathered is not kept."""
        self.committer.close()
        self.reader.close()

    def complain(self, error: Exception) -> None:
        """A part of the runtime could not read what it needed; the next one that asks tries again."""
        self.errors += 1
        log.error("the journal could not be read: %s", error)

    def settle(self, cursor: Cursor, seq: int) -> None:
        """Event *seq* ended without a step: remember it with the next write."""
        self.insist([], cursor, seq, sync=False)

    def insist(self, puts: list[Put], cursor: Cursor, seq: int, sync: bool = True) -> None:
        """Settle event *seq*, with *puts*; try again as long as that cannot be kept."""

        def landed(error: StoreError | None) -> None:
            if error is not None and not self.committer.closed:
                asyncio.get_running_loop().call_later(_AGAIN, add)

        def add() -> None:
            if not self.committer.closed:
                self.committer.add(Commit(puts, landed, sync=sync, settles=((cursor, seq),)))

        add()

    def event(self, seq: int) -> Event | None:
        """The event with this number, if it is retained."""
        row = self.backend.get(Family.JOURNAL, number(seq))
        return None if row is None else decode_event(seq, row, self.vault)

    def find(self, event_id: str) -> int | None:
        """The number of the event with this id, if it is retained."""
        row = self.backend.get(Family.IDS, event_id.encode())
        return None if row is None else unnumber(row)

    # --- with every write -----------------------------------------------------------------------------------------

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """The positions that *batch* moves, and those that have fallen far behind."""
        touched: dict[Cursor, None] = {}
        for commit in batch:
            for cursor, seq in commit.settles:
                cursor.stage((seq,))
                touched[cursor] = None
        if self.head - self._swept >= _LAG or self._swept == 0 or any(c.fresh for c in self.cursors.values()):
            self._swept = self.head or 1
            for cursor in self.cursors.values():
                cursor.keep_up(self.head)
            touched.update((c, None) for c in self.cursors.values() if c.fresh or c.lag >= _LAG)
        if self._lagging:
            touched.update((c, None) for c in self._lagging)
            self._lagging = []
        self._staged = list(touched)
        return [row_put((_POSITIONS, c.key, c.row())) for c in touched]

    def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
        """Bring the positions in memory up to those on disk."""
        for cursor in self._staged:
            cursor.landed(error is None)
        self._staged = []

    def _at_rest(self) -> None:
        self.on_idle()  # a dead letter, or a note, may have been all that was left

    def flush(self) -> None:
        """Write every position that is behind what was looked at, with the next write."""
        for cursor in self.cursors.values():
            cursor.keep_up(self.head)
        lagging = [c for c in self.cursors.values() if c.fresh or c.lag]
        if lagging:
            self._lagging = lagging  # what they are then: a write that is on its way may fail
            self.committer.add(Commit([], _nothing))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _cursors(self, event: Event) -> Sequence[Cursor]:
        """The subscriptions whose room a publisher of *event* has to wait for, always in the same order."""
        places: Sequence[Cursor] | None = self.bus.route(event._topic).places
        return self.places(self.bus.receivers(event)) if places is None else places

    async def _places(self, cursors: Sequence[Cursor]) -> None:
        """Wait for a place in each of *cursors* and in the store; who is not given all gives back the others."""
        given: list[Cursor] = []
        try:
            for cursor in cursors:
                await cursor.wait_for_room()
                given.append(cursor)
            if self.committer.full:
                await self.committer.room()
        except BaseException:
            for cursor in given:
                cursor.release()
            raise

    def _overloaded(self, cursors: Sequence[Cursor], why: str) -> Overloaded:
        full = next((c for c in cursors if not c.has_room()), None)
        if full is None:
            return Overloaded("the store", QoS.BATCHED, self.committer.gathered, why)
        queue = full.queues[0]
        return Overloaded(queue.name, queue.qos, len(queue.items), why)

    def _prepare(self, event: Event, publication: Publication, cursors: Sequence[Cursor]) -> None:
        """Add *event*, whose places are promised, to *publication*, unless it is kept already."""
        try:
            twin = self._twin(event)
            puts = [] if twin is not None else self.rows(event)
        except BaseException:
            self.vault.forget()  # leaves that are not written are not kept
            for cursor in cursors:
                cursor.release()
            raise
        if twin is not None:
            self.duplicates += 1
            for cursor in cursors:
                cursor.release()
            if not isinstance(twin, int):
                publication.join(twin)
            return
        if event._id is not None:
            self._flying[event._id] = publication
        publication.add(event, puts, cursors, self.rules.of(event._topic).sync)

    def _prepare_one(self, event: Event, cursors: Sequence[Cursor], overflow: str = "waits a little") -> None:
        publication = Publication(self.deliver, overflow)
        self._prepare(event, publication, cursors)
        self._submit(publication)

    def _twin(self, event: Event) -> Publication | Single | int | None:
        """Where the same event (by its id) is kept or being kept already; None for a new one."""
        if event._id is None:
            return None
        flying = self._flying.get(event._id)
        if flying is not None:
            return flying
        return event.seq or self.find(event._id)

    def _submit(self, publication: Publication) -> None:
        part = publication.take()
        if part is not None:
            self.committer.add(Commit(part.puts, partial(self._landed_part, part), part.sync, part.last))

    def _landed_part(self, part: Part, error: StoreError | None) -> None:
        for event in part.events:
            self.arrived(event, (), error)
        for cursor in part.cursors:
            cursor.admitted -= 1
        part.landed(error)
        for cursor in part.cursors:
            if cursor.waiters:
                cursor.grant()


def _nothing(error: StoreError | None) -> None:
    """For commits nobody waits for."""
