"""Hops: the parts of a chain, each made from the facts about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from loom.journal._why_facts import EventFact, StepFact
from loom.journal.dead import Letter
from loom.journal.notes import Note


@dataclass(frozen=True, slots=True)
class Hop:
    """One thing that happened, and what came of it.

    ``kind`` is event, step, timer, act, dead, agent, or that of a note: dropped, denied, decided, acted, retry,
    restarting, restarted, parked. ``what`` is its topic, subscription or capability, ``by`` who made it, ``at_ms`` Unix
    ms. ``kept`` is False for what only its id is known of. ``facts`` are those that decided. ``more`` hops of ``ahead``
    were left out; when ``endless``, there are at least as many.
    """

    kind: str
    id: str
    at_ms: float | None
    what: str
    by: str = ""
    seq: int = 0
    kept: bool = True
    facts: dict[str, Any] = field(default_factory=dict)
    ahead: tuple[Hop, ...] = ()
    more: int = 0
    endless: bool = False

    def document(self) -> dict[str, Any]:
        """The same as JSON values."""
        told = {"kind": self.kind, "id": self.id, "at_ms": self.at_ms, "what": self.what, "by": self.by}
        rest = {"seq": self.seq, "kept": self.kept, "facts": self.facts}
        ahead = [hop.document() for hop in self.ahead]
        return {**told, **rest, "ahead": ahead, "more": self.more, "endless": self.endless}


def event_hop(event: EventFact) -> Hop:
    """An event."""
    facts = {k: v for k in ("label", "thread", "scope") if (v := getattr(event, k))}
    return Hop("event", event.id, event.at_ms, event.topic, event.source, event.seq, facts=facts)


def step_hop(step: StepFact, kept: bool = True) -> Hop:
    """A step; one of which nothing is kept was REALTIME, or of an agent that is not durable."""
    facts = {"attempt": step.attempt, "changed": list(step.changed)} if kept else {}
    return Hop(
        "step", step.subscription, step.at_ms or None, step.subscription, step.agent, kept=kept, facts=facts
    )


def timer_hop(timer: str, made: dict[str, Any]) -> Hop:
    """A timer that waits, or does not any more."""
    due = made.get("due_ms")
    facts = {"kind": made.get("kind", ""), "waits": due is not None}
    if due is not None:
        facts["due_ms"] = due
    return Hop("timer", timer, None, str(made.get("topic", "")), str(made.get("by", "")), facts=facts)


def act_hop(key: str, effect: dict[str, Any]) -> Hop:
    """An effect: its outcome, and who allowed it."""
    wanted = ("status", "version", "kind", "outcome", "runs", "doubt", "label", "question", "answers")
    facts = {name: effect[name] for name in wanted if name in effect}
    at = effect.get("changed", effect.get("at"))
    return Hop("act", key, at, str(effect.get("capability", "")), str(effect.get("agent", "")), facts=facts)


def dead_hop(letter: Letter) -> Hop:
    """A dead letter."""
    facts: dict[str, Any] = {
        "number": letter.number, "reason": letter.reason, "error": letter.error, "attempts": letter.attempts,
    }  # fmt: skip
    if letter.retries:
        facts["retries"] = letter.retries
    if letter.retry:
        facts["retry"] = True
    what = letter.subscription or letter.agent
    return Hop("dead", f"dead:{letter.number}", letter.at_ms, what, letter.agent, facts=facts)


_ABOUT_THE_EVENT = ("topic", "time_ms", "source", "cause", "trail", "label")


def note_hop(note: Note) -> Hop:
    """What was noted about an event."""
    about = () if note.kind == "decision" else _ABOUT_THE_EVENT
    facts = {k: v for k, v in note.facts.items() if k not in about}
    names = ("queue", "subscription", "capability", "backend", "agent")
    what = next((str(facts[name]) for name in names if name in facts), "")
    return Hop(note.kind, note.about, note.at_ms, what, str(facts.get("agent", "")), facts=facts)
