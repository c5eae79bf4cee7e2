"""What a durable runtime writes down so that somebody can ask why: notes, dead letters, the makers of timers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from loom.agent._history import History
from loom.agent._revival import Revival
from loom.errors import StoreError
from loom.event import Event
from loom.journal import Commit, Journal
from loom.journal.dead import DeadLetters, Letter, letter_of
from loom.journal.notes import KeptNotes, Notes, about_event, is_name
from loom.journal.queue import cursor_of
from loom.store import Family, Put
from loom.store.families import join, number

if TYPE_CHECKING:
    from loom.agent._cell import Cell
    from loom.agent._services import Services
    from loom.agent.context import Context
    from loom.bus import Queue

_FLUSH = 1.0  # seconds after which notes are written though nothing else is


class Causes:
    """The causes of one durable runtime: rows that go along with its commits."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._committer = journal.committer
        self.notes = KeptNotes(journal.backend, journal.bus)
        self.dead = DeadLetters(journal.backend, vault=journal.vault)
        self.history = History(journal)
        self.retrying: dict[tuple[str, str], Letter] = {}
        """The dead letters that are being handled again, by subscription and event."""
        self.services: Services = None  # type: ignore[assignment]  # set by ``attach``
        self.revival = Revival(self)
        self._soon = False
        self._committer.companions.append(self.notes)
        self.notes.soon = self._flush_soon
        self.notes.cancelled = self._cancelled

    def attach(self, services: Services) -> None:
        """Serve the runtime of *services*."""
        self.services = services
        watch(services, self.notes)
        prefix = b"paused\0"
        rows = self._journal.backend.scan(Family.META, prefix, b"paused\1", 100_000)
        services.paused.update(key[len(prefix) :].decode() for key, _ in rows)

    # --- rows of a step -------------------------------------------------------------------------------------------

    def of_step(self, cell: Cell, ctx: Context) -> list[Put]:
        """What goes with a step beside its own row: the makers of its timers, its place where its event has none."""
        event, effects, puts = ctx._event, ctx.effects, []
        if not event.seq and is_name(event.id):
            place = join(number(self._journal.seq), place_of(ctx.door.queue), event.id)
            told = json.dumps(about_event(event)).encode()  # it is nowhere else
            puts.append(Put(Family.CAUSES, join(event.id, "step", place), told))
        for kind, _, timer, _ in effects.timers if effects is not None else ():
            if is_name(timer.id) and is_name(event.id):
                made = {"by": cell.name, "kind": kind, "cause": event.id, "topic": timer.topic}
                puts.append(Put(Family.CAUSES, join(event.id, "timer", timer.id), b""))
                puts.append(Put(Family.CAUSES, join(timer.id, "maker", b""), json.dumps(made).encode()))
        if self.retrying and not event.seq:
            letter = self.retrying.get((place_of(ctx.door.queue), event.id))
            if letter is not None:
                puts += self.dead.remove(letter)
        return puts

    # --- dead letters ---------------------------------------------------------------------------------------------

    def of_failure(self, cell: Cell, ctx: Context, error: str) -> list[Put]:
        """What keeps the event of *ctx* as a dead letter; the letter it was before if it was tried again."""
        return self._bury(
            letter_of(ctx._event, cell.name, place_of(ctx.door.queue), "failed", error), ctx.attempt
        )

    def refuse(self, agent: str, queue: Queue, event: Event, why: tuple[str, str]) -> None:
        """Keep *event*, for which no instance of *agent* was found, as a dead letter (reason, error) of *queue*."""
        puts = self._bury(letter_of(event, agent, place_of(queue), *why), 1)
        cursor = cursor_of(queue)
        if cursor is not None and event.seq:
            self._journal.insist(puts, cursor, event.seq)
        else:
            self._committer.add(Commit(puts, _told, sync=False))

    def bury(self, agent: str, event: Event, reason: str, error: str) -> None:
        """Keep *event*, which never reached a handler, as a dead letter."""
        if self._committer.closed:
            return
        puts = self.dead.bury(letter_of(event, agent, "", reason, error), self.services.clock.now_ms(), 0)
        self._committer.add(Commit(puts, _told, sync=False))

    def _cancelled(self, event: Event) -> None:
        """An event was taken down with its scope; if it was a dead letter that is retried, it waits for another try."""
        for key in [key for key in self.retrying if key[1] == event.id]:
            letter = self.retrying.pop(key)
            self._committer.add(Commit(self.dead.mark(letter, retry=False), _told, sync=False))

    def _bury(self, letter: Letter, attempts: int) -> list[Put]:
        now = self.services.clock.now_ms()
        again = None if letter.seq else self.retrying.pop((letter.subscription, letter.id), None)
        if again is not None:
            return self.dead.again(again, letter.error, now, attempts)
        return self.dead.bury(letter, now, attempts)

    async def write(self, puts: list[Put]) -> None:
        """Return when *puts* are on disk; raises StoreError, Closed."""
        landed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(error: StoreError | None) -> None:
            if not landed.done():
                landed.set_result(None) if error is None else landed.set_exception(error)

        self._committer.add(Commit(puts, told))
        await landed

    # --- notes ----------------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        """Have notes written though nothing else is, after a while."""
        if not self._soon and self.services is not None:
            try:
                self.services.timers.after(_FLUSH, self.flush)
            except RuntimeError:  # no loop runs: the next write takes them along
                return
            self._soon = True

    def flush(self) -> None:
        """Have the notes written that no write has taken along yet."""
        self._soon = False
        if self.notes.ring and not self._committer.closed:
            self._committer.add(Commit([], _told, sync=False))

    def ending(self) -> None:
        """Nothing is written later: whatever waits goes now."""
        self.notes.ending = True
        self.flush()


def watch(services: Services, notes: Notes) -> None:
    """Have *notes* hear of everything that happens in the runtime of *services*."""

    def in_hand(agent: str | None) -> Event | None:
        cells = services.cells
        if agent is not None:
            cell = cells.get(agent)
        else:
            try:
                task = asyncio.current_task()
            except RuntimeError:
                task = None
            cell = None if task is None else next((c for c in cells.values() if c.runner is task), None)
        return None if cell is None or cell.step is None else cell.step._event

    notes.in_hand = in_hand
    notes.last_error = lambda: services.dead_letters[-1].error if services.dead_letters else ""
    services.notes = notes
    services.observers.attach(notes)


def place_of(queue: Queue) -> str:
    """The name of a subscription: that of its place in the journal if it has one."""
    cursor = cursor_of(queue)
    return queue.name if cursor is None else cursor.name


def _told(error: StoreError | None) -> None:
    """For commits nobody waits for."""
