"""What a store, or a ring of notes, knows of one id: each answer is a look-up by key or by prefix, never a scan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from loom.errors import ConfigError, StoreError
from loom.event import Confidentiality, Label
from loom.journal.dead import Letter, read_letter
from loom.journal.notes import Note, is_name, read_notes
from loom.journal.steps import read_step
from loom.store import Backend, Family
from loom.store.families import after, join, number, unnumber

MOST = 512
"""How many children of one kind are looked at; of more it is only said that there are more."""
Trail = tuple[tuple[str, str], ...]


class EventFact(NamedTuple):
    """An event. ``seq`` is 0, and ``trail`` may be there, when only a note or a dead letter tells of it."""

    id: str
    topic: str
    at_ms: int | None
    source: str = ""
    cause: str | None = None
    seq: int = 0
    label: str = ""
    thread: str = ""
    scope: str = ""
    trail: Trail = ()


class StepFact(NamedTuple):
    """A step that has been committed: whose, at which attempt, when, and which fields of the state it changed."""

    subscription: str
    agent: str
    attempt: int
    at_ms: float
    changed: tuple[str, ...]


class Children(NamedTuple):
    """Ids and values of one kind, and whether there are more than were looked at."""

    rows: list[tuple[str, bytes]]
    more: bool


class Facts(Protocol):
    """Who answers what is known of an id."""

    last: int

    def event(self, id: str) -> EventFact | None:
        """The event with this id."""
        ...

    def event_at(self, seq: int) -> EventFact | None:
        """The event with this number in the journal."""
        ...

    def steps(self, event: str, seq: int) -> list[StepFact]:
        """The steps that handled an event."""
        ...

    def last_step(self, agent: str, known: bool) -> tuple[int, str] | None:
        """The number and id of the event of an agent's last step; raises ConfigError for one that is not *known*."""
        ...

    def children(self, id: str, kind: str) -> Children:
        """What came of an event: kind is event, timer, act or dead."""
        ...

    def notes(self, id: str) -> list[Note]:
        """What was noted about it, oldest first."""
        ...

    def effect(self, key: str) -> dict[str, Any] | None:
        """The effect with this idempotency key."""
        ...

    def maker(self, timer: str) -> dict[str, Any] | None:
        """Who set a timer: ``by``, ``kind``, ``cause``, ``topic``; with ``due_ms`` while it waits."""
        ...

    def letter(self, letter: int) -> Letter | None:
        """The dead letter with this number."""
        ...


class StoreFacts:
    """The facts in a store; *pending* are notes that are not in there yet."""

    def __init__(self, backend: Backend, pending: Sequence[Note] = ()) -> None:
        self._backend = backend
        self._pending = pending
        last = backend.last(Family.JOURNAL)
        self.last = 0 if last is None else unnumber(last)

    def event(self, id: str) -> EventFact | None:
        """The event with this id, as the journal, a step or a note has it."""
        row = self._backend.get(Family.IDS, id.encode())
        if row is not None:
            found = self.event_at(unnumber(row))
            if found is not None:
                return found
        told = [_json(row) or {} for _, row in self._under(id, "step")[0][:1]]
        return event_of_facts(id, [*told, *(note.facts for note in self.notes(id))])

    def event_at(self, seq: int) -> EventFact | None:
        """The event with this number; its payload is not looked at."""
        row = self._backend.get(Family.JOURNAL, number(seq))
        try:
            topic, text, _ = (row or b"").split(b"\n", 2)
            header = json.loads(text)
            return _event(topic.decode(), header, seq)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None  # not there, or not to be read: sealed or damaged

    def steps(self, event: str, seq: int) -> list[StepFact]:
        """The steps of an event, by its number; of one without a number by the index of such."""
        if seq:
            prefix = join(number(seq), b"")
            rows = self._backend.scan(Family.STEPS, prefix, after(prefix), MOST)
        else:
            keys, start = self._under(event, "step")
            rows = [(k[start:], self._backend.get(Family.STEPS, k[start:]) or b"") for k, _ in keys]
        found = [_step(key, row) for key, row in rows]
        return [step for id, step in found if step is not None and id == event]

    def last_step(self, agent: str, known: bool) -> tuple[int, str] | None:
        """What the agent's state says of its last step."""
        row = self._backend.get(Family.STATES, agent.encode())
        if row is None and known:
            return None
        if row is None:
            raise ConfigError(f"the store knows no agent {agent!r}; see: loom agent list")
        return last_step(self._backend, agent, row)

    def children(self, id: str, kind: str) -> Children:
        """The rows of the cause index below *id*."""
        rows, start = self._under(id, kind)
        named = [(key[start:].decode("utf-8", "replace"), value) for key, value in rows]
        if kind == "dead":
            named = [(str(unnumber(key[start:])), value) for key, value in rows]
        return Children(named[:MOST], len(named) > MOST)

    def notes(self, id: str) -> list[Note]:
        """The notes in the store, then those on their way there."""
        return [*read_notes(self._backend, id), *(note for note in self._pending if note.about == id)]

    def effect(self, key: str) -> dict[str, Any] | None:
        """The row of the ledger."""
        return _json(self._backend.get(Family.EFFECTS, key.encode()))

    def maker(self, timer: str) -> dict[str, Any] | None:
        """The maker's row, and the moment from the timer's own."""
        made = _json(self._backend.get(Family.CAUSES, join(timer, "maker", b"")))
        if made is not None:
            owner, _, key = str(made.get("by", "")).partition("/")
            for name in {owner, f"{owner}/{key}", f"{owner}\0{key}"}:
                waiting = _json(self._backend.get(Family.TIMERS, join(name, timer)))
                if waiting is not None:
                    made["due_ms"] = waiting.get("d")
        return made

    def letter(self, letter: int) -> Letter | None:
        """The row of the dead letter."""
        key = number(letter)
        row = self._backend.get(Family.DEAD, key)
        return None if row is None else read_letter(key, row)

    def _under(self, id: str, kind: str) -> tuple[list[tuple[bytes, bytes]], int]:
        prefix = join(id, kind, b"")
        return self._backend.scan(Family.CAUSES, prefix, after(prefix), MOST + 1), len(prefix)


class MemoryFacts:
    """The facts in a ring of notes: what a runtime without a store can say."""

    last = 0

    def __init__(self, notes: Sequence[Note]) -> None:
        self._notes = notes

    def event(self, id: str) -> EventFact | None:
        """The event as its notes have it, or as the trail of another does."""
        found = event_of_facts(id, [note.facts for note in self.notes(id)])
        if found is not None:
            return found
        for note in self._notes:
            trail = _trail(note.facts)
            for place, (topic, each) in enumerate(trail):
                if each == id:
                    cause = trail[place - 1][1] if place else None
                    return EventFact(id, topic, None, cause=cause, trail=trail[:place])
        return None

    def event_at(self, seq: int) -> EventFact | None:
        """Nothing has a number here."""
        return None

    def steps(self, event: str, seq: int) -> list[StepFact]:
        """Steps are not noted."""
        return []

    def last_step(self, agent: str, known: bool) -> tuple[int, str] | None:
        """Steps are not noted."""
        return None

    def children(self, id: str, kind: str) -> Children:
        """The actions of an event; and the events that were noted."""
        if kind == "act":
            found = [(str(n.facts["key"]), b"") for n in self.notes(id) if n.kind == "acted"]
        elif kind == "event":
            found = [(n.about, b"") for n in self._notes if n.facts.get("cause") == id and n.about]
        else:
            found = []
        return Children(list(dict.fromkeys(found))[:MOST], len(found) > MOST)

    def notes(self, id: str) -> list[Note]:
        """The notes about it."""
        return [note for note in self._notes if note.about == id]

    def effect(self, key: str) -> dict[str, Any] | None:
        """How the action with this key ended."""
        for note in reversed(self._notes):
            if note.kind in ("acted", "denied") and note.facts.get("key") == key:
                status = note.facts.get("outcome", "denied")
                agent = key.rsplit("/", 3)[0] if key.count("/") >= 3 else ""
                told = {"capability": note.facts["capability"], "status": status, "agent": agent}
                return {**told, "cause": note.about, "changed": note.at_ms}
        return None

    def maker(self, timer: str) -> dict[str, Any] | None:
        """Timers are not noted."""
        return None

    def letter(self, letter: int) -> Letter | None:
        """Dead letters have no numbers here."""
        return None


def last_key(agent: str) -> bytes:
    """Where CAUSES says which step of *agent* was its last, while its state is written by its changes."""
    return join(f"agent:{agent}", "last", b"")


def last_step(backend: Backend, agent: str, state: bytes) -> tuple[int, str] | None:
    """The number and id of the event of the last step of *agent*, whose row in STATES is *state*."""
    try:
        later = backend.get(Family.CAUSES, last_key(agent))
        found = json.loads(later if later is not None else state.partition(b"\n")[0])
        seq, id = found["t"] if later is None else found
    except (ValueError, TypeError, KeyError):
        return None
    return int(seq), str(id)


def event_of_facts(id: str, told: Sequence[dict[str, Any]]) -> EventFact | None:
    """What notes, and the steps of an event that was not journalled, say of it."""
    for facts in told:
        if "topic" in facts:
            return EventFact(
                id, str(facts["topic"]), facts.get("time_ms"), str(facts.get("source", "")), facts.get("cause"),
                0, str(facts.get("label", "")), trail=_trail(facts),
            )  # fmt: skip
    return None


def _trail(facts: dict[str, Any]) -> Trail:
    trail = facts.get("trail", ())
    return tuple((str(topic), str(id)) for topic, id in trail if is_name(str(id)))


def _event(topic: str, header: dict[str, Any], seq: int) -> EventFact:
    label = header.get("l")
    text = "" if label is None else str(Label(Confidentiality(label[0]), bool(label[1])))
    return EventFact(
        header["i"], topic, header.get("w"), header.get("s", ""), header.get("ca"), seq, text,
        header.get("th") or "", header.get("sc") or "",
    )  # fmt: skip


def _step(key: bytes, row: bytes) -> tuple[str, StepFact | None]:
    """The id of the event of a step's row, and the step; None where the row makes no sense."""
    try:
        step = read_step(key, row)
        changes = json.loads(step.change) if step.change is not None else ()
        return step.event_id, StepFact(step.place, step.agent, step.attempt, step.at_ms, tuple(changes))
    except (ValueError, TypeError, StoreError):
        return "", None


def _json(row: bytes | None) -> dict[str, Any] | None:
    try:
        value = None if row is None else json.loads(row)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
