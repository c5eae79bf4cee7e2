"""Bases: now and then all of an agent's state, so that what it was after any step can be told from the changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loom.event import PUBLIC, Event
from loom.journal import Journal
from loom.journal._why_facts import last_step
from loom.journal.queue import cursor_of
from loom.store import Family, Put
from loom.store.families import join, number
from loom.store.text import dump

if TYPE_CHECKING:
    from loom.agent._cell import Cell

_LEAST, _TIMES = 16384, 8  # a base costs at most an eighth of the changes before it


class Track:
    """What is known of one agent: the moment of its last step, and the bytes of changes since its last base."""

    __slots__ = ("apart", "grown", "last", "last_ms", "size")

    def __init__(self) -> None:
        self.last_ms: float = 0
        self.size, self.grown = 0, -1
        self.apart: tuple[Any, ...] | None = None
        self.last: tuple[int, str] | None = None


class History:
    """Decides when a base is due, when a step was, and against what its changes are told.

    The steps of one agent have strictly growing moments: several in one millisecond get fractions of it. A state that
    REALTIME steps changed, of which the journal has none, is told of with the next step. The instances of a keyed agent
    come and go; they have no bases.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tracks: dict[str, Track] = {}

    def moment(self, cell: Cell, event: Event, now_ms: int) -> float:
        """When the step of *cell* on *event*, which is kept now, was, Unix ms."""
        track = self._track(cell)
        if track is None:
            return now_ms
        track.last = event.seq, event.id
        track.last_ms = now_ms if now_ms > track.last_ms else round(track.last_ms + 0.001, 3)
        return track.last_ms

    def last(self, cell: Cell) -> tuple[int, str] | None:
        """The journal number and id of the event of *cell*'s last step; None when that is not known."""
        track = self._track(cell)
        if track is None:  # one key of a keyed agent: the step that is on its way now
            event = cell.ahead[-1].ctx._event if cell.ahead else None
            return None if event is None else (event.seq, event.id)
        if track.last is None:
            backend = self._journal.backend
            row = backend.get(Family.STATES, cell.name.encode())
            track.last = (None if row is None else last_step(backend, cell.name, row)) or (0, "")
        return track.last if track.last and track.last[1] else None

    def changed_apart(self, cell: Cell) -> None:
        """A REALTIME step is about to change the state of *cell*."""
        track = self._track(cell)
        if track is not None and track.apart is None:
            track.apart = cell.committed

    def before(self, cell: Cell) -> tuple[Any, ...]:
        """The state of *cell* after its last step in the journal."""
        track = self._track(cell)
        if track is None or track.apart is None:
            return cell.committed
        before, track.apart = track.apart, None
        return before

    def forget(self, cell: Cell) -> None:
        """Steps of *cell* were taken back: begin with another base."""
        track = self._tracks.get(cell.name)
        if track is not None:
            track.grown, track.apart = -1, None

    def base(self, cell: Cell, before: tuple[Any, ...], row: bytes) -> list[Put]:
        """What goes with a step whose row is *row*: the state *before* it, when that is due."""
        track = self._track(cell)
        if track is None:
            return []
        if track.grown >= 0:
            track.grown += len(row)
            if track.grown < max(_LEAST, _TIMES * track.size):
                return []
        subject = cell.subject or ""
        key = join(cell.name, number(self._journal.seq), number(round(track.last_ms * 1000)))
        facts: dict[str, Any] = {"v": cell.spec.version, "at": track.last_ms, "from": self._first(cell)}
        if subject:
            facts["u"] = subject
        if cell.label is not PUBLIC:
            facts["l"] = [int(cell.label.confidentiality), int(cell.label.untrusted)]
        puts: list[Put] = []
        state = cell.spec.codec.encode(before)
        body = self._journal.vault.pack((subject, cell.label), state, puts)
        track.size, track.grown = len(body), 0
        return [*puts, Put(Family.BASES, key, dump(facts).encode() + b"\n" + body)]

    def _track(self, cell: Cell) -> Track | None:
        track = self._tracks.get(cell.name)
        if track is None and "/" not in cell.name:
            track = self._tracks[cell.name] = Track()
        return track

    def _first(self, cell: Cell) -> int:
        """The number below which every step of *cell* is in the base that is made now."""
        cursors = [c for queue in cell.queues() if (c := cursor_of(queue)) is not None]
        return min((c.handled + 1 for c in cursors), default=0)
