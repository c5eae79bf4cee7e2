"""Notes: what was lost, refused, decided or tried again, in a bounded ring, found by the event it was about."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from loom.bus import Bus, Queue
from loom.event import Confidentiality, Event, Label
from loom.journal.committer import Commit
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number, unnumber
from loom.telemetry import Observer

KEPT = 4096
"""How many notes there are at most; the oldest go first."""
DECIDED = 2048
"""How many of them may be of the router's decisions, two each: they come with every request of a model."""
A_WRITE = 256
"""How many notes one write keeps at most; those beyond are counted by reason."""
_PAUSE = 0.25  # seconds between writes that take notes along: a flood of losses must not slow commits down
_TRAIL = 16  # of the chain behind an event, the nearest
_OF_THE_ROUTER = ("decision", "decided")
_dumps = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Note(NamedTuple):
    """What happened, when (Unix ms), to which event (its id, or ``agent:NAME``), and the facts that decided it.

    ``kind`` is dropped, denied, decision, decided, acted, dead, retry, restarting, restarted, parked, or counted: the
    number of notes by reason that one write had no room for.
    """

    at_ms: int
    kind: str
    about: str
    facts: dict[str, Any]

    def row(self) -> bytes:
        """What is kept of it."""
        return _dumps([self.at_ms, self.kind, self.about, self.facts]).encode()


def read_note(row: bytes) -> Note | None:
    """The note of a kept row; None where it makes no sense."""
    try:
        at_ms, kind, about, facts = json.loads(row)
    except (ValueError, TypeError):
        return None
    return Note(at_ms, kind, about, facts) if isinstance(facts, dict) else None


def about_event(event: Event) -> dict[str, Any]:
    """What a note says of an event that may be nowhere else: its place, its maker, and the chain behind it."""
    origin = event.origin
    facts: dict[str, Any] = {"topic": event.topic, "time_ms": event.timestamp_ms}
    if event.source:
        facts["source"] = event.source
    if origin.cause is not None:
        facts["cause"] = origin.cause
    if origin.trail:
        facts["trail"] = [list(hop) for hop in origin.trail[-_TRAIL:]]
    if origin.label != Label():
        facts["label"] = str(origin.label)
    return facts


def told_error(error: str, label: Label) -> str:
    """What of an error's text may be kept beside an event of *label*: of private ones only its kind."""
    if label.confidentiality < Confidentiality.PRIVATE:
        return error[:2000]
    kind = error.partition(":")[0]
    return f"{kind if kind.isidentifier() else 'error'} (its text is kept back: the event is {label})"


def is_name(text: str) -> bool:
    """Whether *text* can be looked up: neither empty nor long, and fit for a key and for a terminal."""
    return 0 < len(text) <= 512 and text.isprintable()


def event_of_key(key: str) -> str:
    """The event id in an idempotency key of a step, empty for another one."""
    parts = key.split("/")
    return parts[-2] if len(parts) >= 4 else ""


class Notes(Observer):
    """A ring of notes in memory. It watches only what is lost, refused and decided, so the bus keeps its fast path.

    *in_hand* says which event an agent is handling (``None``: the agent of the running task), *last_error* with which
    error the last dead letter was given up; the runtime sets them.
    """

    def __init__(self, bus: Bus, kept: int = KEPT) -> None:
        self._now_ms = bus.now_ms
        self._bus = bus
        self._kept = kept
        self._queues: dict[str, Queue] = {}
        self._denied: tuple[str, str] | None = None
        self._decision = ("", "")
        self.ring: deque[Note] = deque(maxlen=kept)
        self.decisions: deque[Note] = deque(maxlen=min(kept, DECIDED))
        self.total = 0
        self.in_hand: Callable[[str | None], Event | None] = lambda agent: None
        self.last_error: Callable[[], str] = lambda: ""

    def waiting(self) -> tuple[Note, ...]:
        """The notes that are in memory alone, oldest first."""
        return (*self.decisions, *self.ring)

    # --- the hooks ------------------------------------------------------------------------------------------------

    def dropped(self, queue: str, event: Event, reason: str) -> None:
        """An event was lost: keep the state of its queue, which decided that."""
        if not self._room(reason):
            return
        found = self._find(queue, reason)
        if event.seq and (found is None or (found.durable and found.closed)) and reason == "cancelled":
            return  # the queue has left the bus, for the runtime ends: the event waits in the journal
        facts = {**about_event(event), "queue": queue, "reason": reason}
        if found is not None:
            facts |= {
                "depth": len(found.items), "capacity": found.capacity, "qos": str(found.qos),
                "policy": found.overflow if found.qos.rank == 0 else "publisher waits",
            }  # fmt: skip
            if found.shed_at is not None:
                facts["shed_at"] = found.shed_at
        self.add("dropped", event.id, facts)

    def dead_letter(self, agent: str, event: Event, reason: str) -> None:
        """An event was given up."""
        if self._room("dead_letter"):
            facts = {**about_event(event), "agent": agent, "reason": reason}
            error = self.last_error()
            if error:
                facts["error"] = told_error(error, event.label)
            self.add("dead", event.id, facts)

    def acted(self, capability: str, key: str, outcome: str) -> None:
        """An action ended."""
        self._denied = (capability, key) if outcome == "denied" else None
        if outcome != "denied" and self._room("acted"):
            facts = {"capability": capability, "key": key, "outcome": outcome}
            self.add("acted", event_of_key(key), facts)

    def denied(self, who: str, what: str, reason: str) -> None:
        """Something was refused: a step asked for it, or an act of a step that has ended."""
        key = self._denied[1] if self._denied is not None and self._denied[0] == what else ""
        self._denied = None
        if not self._room("denied"):
            return
        facts = {"agent": who, "capability": what, "reason": reason}
        if key:
            self.add("denied", event_of_key(key), {**facts, "key": key})
            return
        event = self.in_hand(who)
        if event is not None:
            facts |= about_event(event)
        self.add("denied", "" if event is None else event.id, facts)

    def decision(self, facts: Mapping[str, Any], event: str) -> None:
        """All of a router's decision, found by its id; the ``decided`` that follows is about *event*."""
        self._decision = (event, facts["id"])
        if self._room("decision"):
            self.add("decision", facts["id"], {**facts, "event": event})

    def decided(self, task: str, backend: str, reason: str) -> None:
        """A model was chosen."""
        (about, decision), self._decision = self._decision, ("", "")
        if self._room("decided"):
            event = self.in_hand(None)
            told = {"decision": decision} if decision else {}
            if event is not None and about in ("", event.id):
                about, told = event.id, {**about_event(event), **told}
            self.add("decided", about, {**told, "task": task, "backend": backend, "reason": reason})

    # --- what agents tell -----------------------------------------------------------------------------------------

    def retried(self, where: tuple[str, str], event: Event, attempt: int, delay: float, error: str) -> None:
        """Attempt *attempt* of *where* (agent, subscription) at *event* failed; the next one is in *delay* seconds."""
        if self._room("retry"):
            facts = {
                **about_event(event), "agent": where[0], "subscription": where[1], "attempt": attempt,
                "delay_ms": round(delay * 1000), "error": told_error(error, event.label),
            }  # fmt: skip
            self.add("retry", event.id, facts)

    def announced(self, agent: str, what: str, facts: dict[str, Any]) -> None:
        """An agent's life changed: it restarts, was restarted, is parked."""
        if what in ("restarting", "restarted", "parked") and self._room(what):
            self.add(what, f"agent:{agent}", {"agent": agent, **facts})

    def add(self, kind: str, about: str, facts: dict[str, Any]) -> None:
        """Keep one note."""
        self.total += 1
        ring = self.decisions if kind in _OF_THE_ROUTER else self.ring
        ring.append(Note(self._now_ms(), kind, about if is_name(about) else "", facts))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _room(self, reason: str) -> bool:
        return True

    def _find(self, name: str, reason: str) -> Queue | None:
        """The queue called so; one that has left the bus is remembered until another takes its name."""
        queue = self._queues.get(name)
        if queue is None or (queue.closed and reason not in ("cancelled", "closed")):
            self._queues.update((q.name, q) for q in self._bus.queues())
            queue = self._queues.get(name)
        return queue


class KeptNotes(Notes):
    """Notes in a store: they go along with whatever is written next, and CAUSES finds them by event.

    *soon* is called when the first one waits for a write.
    """

    def __init__(self, backend: Backend, bus: Bus, kept: int = KEPT) -> None:
        super().__init__(bus, kept)
        self._backend = backend
        self._next = 1
        self._keys: tuple[deque[tuple[int, str]], ...] = (deque(), deque())  # of the router's decisions apart
        for number_of, kind, about in _keys(backend):
            self._keys[kind in _OF_THE_ROUTER].append((number_of, about))
            self._next = number_of + 1
        self.ring = self.decisions = deque()  # those that wait for a write
        self._flying: Sequence[Note] = ()
        self._rows: list[tuple[str, str, bytes]] = []
        self._counted: Counter[str] = Counter()
        self._since = -_PAUSE
        self.soon: Callable[[], None] = lambda: None
        self.cancelled: Callable[[Event], None] = lambda event: None  # not because its queue was closed
        self.ending = False  # nothing is written later: whatever waits has to go now

    def dropped(self, queue: str, event: Event, reason: str) -> None:
        """An event was lost: keep the state of its queue, which decided that."""
        if reason == "cancelled" and not event.seq:
            found = self._find(queue, reason)
            if found is not None and not found.closed:
                self.cancelled(event)
        super().dropped(queue, event, reason)

    def acted(self, capability: str, key: str, outcome: str) -> None:
        """An action ended; what was done is kept with its effect."""
        if outcome == "done":
            self._denied = None
        else:
            super().acted(capability, key, outcome)

    def dead_letter(self, agent: str, event: Event, reason: str) -> None:
        """Dead letters have a family of their own."""

    def waiting(self) -> tuple[Note, ...]:
        """The notes that are not in the store yet; ``read_notes`` has the others."""
        return (*self._flying, *self.ring)  # which is that of the decisions too

    def add(self, kind: str, about: str, facts: dict[str, Any]) -> None:
        """Keep one note with the next write."""
        super().add(kind, about, facts)
        note = self.ring[-1]
        self._rows.append((kind, note.about, note.row()))  # a little at each note, not much at a write
        if len(self.ring) == 1:
            self.soon()

    def finish(self, batch: Sequence[Commit]) -> list[Put]:
        """The notes that go with *batch*, and what makes room for them."""
        now = self._bus.monotonic()
        if not self.ring or (now - self._since < _PAUSE and not self.ending):
            return []
        self._since = now
        if self._counted:
            self.add("counted", "", dict(self._counted))
            self._counted.clear()
        rows, self._rows = self._rows, []
        self._flying = tuple(self.ring)
        self.ring = self.decisions = deque()
        return [put for kind, about, row in rows for put in self._keep(kind, about, row)]

    def landed(self, batch: Sequence[Commit], error: object) -> None:
        """They are kept; or they are lost, for the store has more important things to write again."""
        if error is not None:
            self._counted.update(note.kind for note in self._flying)
        self._flying = ()

    def _keep(self, kind: str, about: str, row: bytes) -> Iterable[Put]:
        of_router = kind in _OF_THE_ROUTER
        key, keys = number(self._next), self._keys[of_router]
        keys.append((self._next, about))
        self._next += 1
        yield Put(Family.NOTES, key, row)
        if about:
            yield Put(Family.CAUSES, join(about, "note", key), b"")
        while len(keys) > (min(self._kept, DECIDED) if of_router else self._kept):
            old, gone = keys.popleft()
            yield Put(Family.NOTES, number(old), None)
            if gone:
                yield Put(Family.CAUSES, join(gone, "note", number(old)), None)

    def _room(self, reason: str) -> bool:
        if len(self.ring) < A_WRITE:
            return True
        self._counted[reason] += 1
        return False


def read_notes(backend: Backend, what: str, limit: int = 64) -> list[Note]:
    """At most *limit* notes on one event that are in the store, oldest first."""
    prefix = join(what, "note", b"")
    found = backend.scan(Family.CAUSES, prefix, after(prefix), limit)
    rows = (backend.get(Family.NOTES, key[len(prefix) :]) for key, _ in found)
    return [note for row in rows if row is not None and (note := read_note(row)) is not None]


def _keys(backend: Backend) -> Iterable[tuple[int, str, str]]:
    """The numbers of the notes in a store, their kind, and what they are about."""
    for key, row in backend.scan(Family.NOTES, limit=2 * KEPT):
        note = read_note(row)
        yield unnumber(key), *(("", "") if note is None else (note.kind, note.about))
