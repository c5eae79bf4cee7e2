"""What goes with an event when it goes: its id, its steps, its causes, and states that cannot be told without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loom.errors import Shredded, StoreCorrupt
from loom.journal._judges import Entry
from loom.journal._plain import Found, is_there, plain_rows
from loom.journal.row import topic_of
from loom.journal.steps import read_step
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number, unnumber
from loom.store.text import load

_PAGE = 512


class Removal:
    """Makes the writes that take events away. For the writer's thread.

    ``rebased`` are the agents that have lost the states from which their earlier ones are told: whoever runs them lets
    them write another.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._bases: dict[str, list[tuple[bytes, float]]] = {}
        self.rebased: set[str] = set()

    def take(self, entries: Iterable[Entry]) -> int:
        """Take *entries* away with everything that belongs to them, in one write; returns how many were there."""
        there = [e for e in entries if is_there(self._backend, Family.JOURNAL, number(e.seq))]
        puts: list[Put] = []
        lost: dict[str, float] = {}
        for entry in there:
            puts.append(Put(Family.JOURNAL, number(entry.seq), None))
            puts += self._named(entry)
            prefix = number(entry.seq) + b"\0"
            for key, row in self._under(Family.STEPS, prefix):
                puts += self._step(key, row, lost)
        self._write(puts, lost)
        return len(there)

    def take_steps(self, rows: Iterable[tuple[bytes, Found]]) -> None:
        """Take steps away whose event is not in the journal."""
        puts: list[Put] = []
        lost: dict[str, float] = {}
        for key, row in rows:
            puts += self._step(key, row, lost)
        self._write(puts, lost)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _write(self, puts: list[Put], lost: dict[str, float]) -> None:
        for agent, moment in lost.items():
            puts += self._untold(agent, moment)
        if puts:
            self._backend.write(puts, sync=False)

    def _named(self, entry: Entry) -> Iterator[Put]:
        """What is kept under the id of an event, unless a later one has the same."""
        if entry.cause:
            yield Put(Family.CAUSES, join(entry.cause, "event", entry.id), None)
        if self._backend.get(Family.IDS, entry.id.encode()) == number(entry.seq):
            yield Put(Family.IDS, entry.id.encode(), None)
            yield from causes_of(self._backend, entry.id.encode())

    def _step(self, key: bytes, row: Found, lost: dict[str, float]) -> Iterator[Put]:
        yield Put(Family.STEPS, key, None)
        parts = key[9:].split(b"\0")
        if len(parts) > 1 and parts[1]:  # its event is nowhere else
            yield from causes_of(self._backend, parts[1])
        try:
            step = None if isinstance(row, Exception) else read_step(key, row)
        except StoreCorrupt:
            step = None
        if step is not None and step.change is not None:
            lost[step.agent] = max(step.at_ms, lost.get(step.agent, step.at_ms))

    def _untold(self, agent: str, moment: float) -> Iterator[Put]:
        """The bases of *agent* from which nothing can be told any more, as a step at *moment* is missing."""
        if agent not in self._bases:
            prefix = join(agent, b"")
            self._bases[agent] = [(key, _moment(row)) for key, row in self._under(Family.BASES, prefix, 8)]
        bases = self._bases[agent]
        left = self._bases[agent] = [base for base in bases if base[1] > moment]
        if bases and not left:
            self.rebased.add(agent)
        yield from (Put(Family.BASES, key, None) for key, at in bases if at <= moment)

    def _under(self, family: Family, prefix: bytes, page: int = _PAGE) -> Iterator[tuple[bytes, Found]]:
        start, end = prefix, after(prefix)
        while rows := plain_rows(self._backend, family, start, end, page):
            yield from rows
            start = rows[-1][0] + b"\0"


def causes_of(backend: Backend, id: bytes) -> Iterator[Put]:
    """What takes away all that is kept of what came of the event *id*; timers that wait keep their makers."""
    start, end = id + b"\0", id + b"\1"
    while rows := backend.scan(Family.CAUSES, start, end, _PAGE):
        for key, _ in rows:
            yield Put(Family.CAUSES, key, None)
            kind, _, timer = key[len(id) + 1 :].partition(b"\0")
            if kind == b"timer" and timer and not _waits(backend, timer):
                yield Put(Family.CAUSES, timer + b"\0maker\0", None)
        start = rows[-1][0] + b"\0"


def _waits(backend: Backend, timer: bytes) -> bool:
    made = backend.get(Family.CAUSES, timer + b"\0maker\0")
    try:
        owner: str = "" if made is None else load(made)["by"]
    except (ValueError, KeyError, TypeError):
        return False
    owners = (owner, owner.replace("/", "\0", 1))
    return any(is_there(backend, Family.TIMERS, join(o, timer)) for o in owners)


def entry_of(key: bytes, row: Found) -> Entry:
    """What retention has to know of a row of the journal."""
    seq = unnumber(key)
    if isinstance(row, Exception):
        return Entry(seq, "", "", 1 << 62, "", 0, gone=isinstance(row, Shredded))
    try:
        topic = topic_of(row)
        first = row.index(b"\n") + 1
        header = load(row[first : row.index(b"\n", first)])
        at_ms, id, cause = header["w"], header["i"], header.get("ca", "")
        if not (isinstance(at_ms, int) and isinstance(id, str) and isinstance(cause, str)):
            raise ValueError("no header of an event")
        return Entry(seq, topic, id, at_ms, str(header.get("k", "")), len(row), cause)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Entry(seq, "", "", 1 << 62, "", len(row))


def _moment(row: Found) -> float:
    try:
        return 0.0 if isinstance(row, Exception) else float(load(row.partition(b"\n")[0])["at"])
    except (ValueError, KeyError, TypeError):
        return 0.0
