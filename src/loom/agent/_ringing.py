"""The ringing of durable timers: each firing is one write of its events and of what becomes of the timer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.agent._timer_book import HOLD_MS, Firing, TimerBook
from loom.agent._timer_row import StoredTimer
from loom.bus import Line
from loom.errors import LoomError, StoreError
from loom.event import Event
from loom.journal import Commit, Journal, decode_event, encode_event
from loom.journal.row import topic_of
from loom.store import Put
from loom.store.vault import Vault

if TYPE_CHECKING:
    from loom.agent._services import Services

log = logging.getLogger("loom.agent")


class Ringing:
    """Fires the timers of a book when they are due, once it has begun; a companion of the journal's writes.

    A firing is an input: its events are journalled (where the topic is) in the write that removes or advances the
    timer, and are delivered when that has landed.
    """

    def __init__(self, book: TimerBook, journal: Journal, services: Services) -> None:
        self.book = book
        self._journal = journal
        self.vault = journal.vault
        self._services = services
        self._begun = False
        journal.committer.companions.append(self)
        services.timers.durable = self
        book.changed = self._changed

    def begin(self) -> None:
        """Fire from now on: the handlers are there."""
        self._begun = True
        self._services.timers.arm()

    def stop(self) -> None:
        """Fire nothing any more; the timers stay in the store."""
        self._begun = False

    def keep(self, puts: list[Put]) -> None:
        """Have *puts* of the book written, with nothing else; raises Closed."""
        if puts:
            try:
                self._journal.committer.add(Commit(puts, _nothing))
            except LoomError:
                self.book.dropped(puts, self._services.clock.now_ms())
                raise

    # --- for the timers of the runtime ----------------------------------------------------------------------------

    @property
    def by_calendar(self) -> bool:
        """Whether one of the nearest timers waits for the calendar."""
        return self._begun and self.book.by_calendar

    def next_due_ms(self) -> int | None:
        """When to ring, Unix ms; None for never."""
        if not self._begun:
            return None
        try:
            return self.book.next_due_ms()
        except StoreError as error:
            log.error("timers cannot be read: %s", error)
            return self._services.clock.now_ms() + HOLD_MS

    def ring(self, now_ms: int) -> None:
        """Fire what is due. Never raises: what cannot be fired now is tried again in a second."""
        timers: list[StoredTimer] = []
        try:
            timers = self.book.due(now_ms)
            while timers:
                self._fire(timers[0], now_ms)
                del timers[0]
        except Exception:  # called by the loop, where nobody would hear of it: told, and tried again
            log.exception("durable timers could not fire; they are tried again")
            self.book.back(timers, now_ms)

    def jumped(self, by_ms: int, now_ms: int) -> None:
        """Take in a jump of the calendar clock."""
        self.keep(self.book.jumped(by_ms, now_ms))

    # --- with every write -----------------------------------------------------------------------------------------

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """Nothing: timers are written by who changes them."""
        return []

    def landed(self, batch: Sequence[Commit], error: StoreError | None) -> None:
        """Tell the book what became of its puts in *batch*."""
        now = self._services.clock.now_ms()
        for commit in batch:
            if error is None:
                self.book.landed(commit.puts)
            else:
                self.book.dropped(commit.puts, now)

    def withdrawn(self, commits: Sequence[Commit]) -> None:
        """Tell the book of commits that were taken back before they left."""
        now = self._services.clock.now_ms()
        for commit in commits:
            self.book.dropped(commit.puts, now)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self._begun:
            self._services.timers.arm()

    def _fire(self, timer: StoredTimer, now_ms: int) -> None:
        try:
            first = self._event(timer, now_ms)
        except LoomError as error:
            log.error("timer %s of %s cannot fire and stays as it is: %s", timer.id, timer.owner, error)
            return
        firing = self.book.firing(timer, now_ms)
        events = [self._told(timer, first, run.metadata, now_ms) for run in firing.runs]
        self._submit(firing, events)
        if firing.left_out:
            log.warning(
                "timer %s of %s missed %d runs; %d are too many to make up for",
                timer.id, timer.owner, firing.missed, firing.left_out,
            )  # fmt: skip

    def _submit(self, firing: Firing, events: list[Event]) -> None:
        journal, puts, last = self._journal, list(firing.puts), 0
        try:
            for event in events:
                if journal.bus.spooled(event.topic):
                    puts += journal.rows(event)
                    last = event.seq
            journal.committer.add(
                Commit(puts, partial(self._landed, firing.timer.owner, events, last), last=last)
            )
        except Exception:  # raised again: the book has to know whatever it was
            self.book.dropped(firing.puts, self._services.clock.now_ms())
            self.vault.forget()  # leaves that are not written are not kept
            raise

    def _landed(self, owner: str, events: list[Event], last: int, error: StoreError | None) -> None:
        """The firing is kept: its events go to their queues. Or it is not, and the timer fires again later."""
        self._journal.reached(last)
        if error is not None:
            return
        cell = self._services.cells.get(owner)
        for event in events:
            if cell is not None:
                cell.outbox.push(event)
            elif not self._services.bus.closed:
                full = self._services.bus.deliver(event)
                if full:
                    Line(event, full)

    def _event(self, timer: StoredTimer, now_ms: int) -> Event:
        if timer.kind != "beat":
            return decode_event(0, timer.event, self.vault)
        return Event("timer", topic=topic_of(timer.event), source="loom", timestamp_ms=now_ms)

    def _told(self, timer: StoredTimer, event: Event, metadata: dict[str, str], now_ms: int) -> Event:
        """The event of one run: itself for a single moment in time, a copy that says more otherwise."""
        changes: dict[str, Any] = {}
        if metadata:
            changes["metadata"] = {**event.metadata, **metadata}
        if timer.kind in ("after", "at"):
            return event.replace(**changes, id=event.id) if changes else event
        return event.replace(**changes, timestamp_ms=now_ms)


def pack(event: Event, vault: Vault, puts: list[Put]) -> bytes:
    """The bytes of *event* as a timer keeps it; raises InvalidEvent, PayloadTooLarge."""
    return encode_event(event, vault, puts)


def _nothing(error: StoreError | None) -> None:
    """For commits nobody waits for."""
