"""Why: from one id back to what it came from and forward to what came of it. Facts in, a chain out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from loom.errors import ConfigError
from loom.journal._why_ahead import Ahead
from loom.journal._why_facts import EventFact, Facts, StepFact
from loom.journal._why_hops import Hop, act_hop, dead_hop, event_hop, note_hop, step_hop, timer_hop
from loom.journal.notes import is_name

FURTHEST = 300
"""How many events a chain is followed back; a timer that sets itself again makes long ones."""
NEAR = 40
"""Of how many of them, the nearest, the steps are told too."""
_ID = re.compile(r"([0-9a-f]{12})-[0-9a-f]{16}-[0-9a-f]{10,}")


@dataclass(frozen=True, slots=True)
class Why:
    """The answer to one question.

    ``chain`` begins at the source and ends with what was asked about: events and, between two, the step or the timer by
    which the one led to the other. What came of it is in the last hop's ``ahead``. ``ends`` says how the chain begins:
    ``source``, ``no longer kept``, ``cycle`` or ``too long``; empty when nothing was found. ``message`` is a sentence.
    """

    asked: str
    found: bool
    message: str
    ends: str = ""
    chain: tuple[Hop, ...] = field(default_factory=tuple)

    @property
    def subject(self) -> Hop | None:
        """What was asked about."""
        return self.chain[-1] if self.chain else None

    def document(self) -> dict[str, Any]:
        """The same as JSON values, by a schema that only grows: ``{"schema": 1, "asked", "found", "message", ...}``."""
        told = {"schema": 1, "asked": self.asked, "found": self.found, "message": self.message}
        return {**told, "ends": self.ends, "chain": [hop.document() for hop in self.chain]}


def explain(facts: Facts, asked: str) -> Why:
    """The chain of an event (its id, or ``#`` and its journal number), a timer, an effect (its idempotency key), a dead
    letter (its number) or an agent's last step (``agent:NAME``).

    Raises ConfigError for what cannot be an id.
    """
    asked = asked.strip()
    if not is_name(asked):
        raise ConfigError("an id has 1 to 512 printable characters; see: loom why --help")
    if asked.startswith("agent:"):
        return _agent(facts, asked)
    if asked.startswith("#"):
        return _numbered(facts, asked)
    if asked.startswith("dead:"):
        return _letter(facts, asked, asked[5:])
    event = facts.event(asked)
    if event is not None:
        return _about_event(facts, asked, event)
    effect = facts.effect(asked)
    if effect is not None:
        return _led_to(facts, asked, effect.get("cause", ""), effect.get("agent", ""), act_hop(asked, effect))
    made = facts.maker(asked)
    if made is not None:
        return _led_to(facts, asked, made.get("cause", ""), made.get("by", ""), timer_hop(asked, made))
    if asked.isdecimal():
        return _letter(facts, asked, asked)
    decided = next((note for note in facts.notes(asked) if note.kind == "decision"), None)
    if decided is not None:
        return _decision(facts, asked, note_hop(decided))
    return _stranger(facts, asked)


# --- what was asked about -----------------------------------------------------------------------------------------


def _about_event(facts: Facts, asked: str, event: EventFact) -> Why:
    chain, ends = back(facts, event)
    subject = Ahead(facts).of(event)
    kept = "" if event.seq else "; it is not in the journal, what is told of it was noted"
    return Why(asked, True, f"event {event.id} on {event.topic}{kept}", ends, (*chain, subject))


def _numbered(facts: Facts, asked: str) -> Why:
    digits = asked[1:]
    if not digits.isdecimal() or len(digits) > 18 or not int(digits):
        raise ConfigError(f"{asked!r} is no journal number; write it as #123")
    event = facts.event_at(int(digits))
    if event is not None:
        return _about_event(facts, asked, event)
    if int(digits) > facts.last:
        return Why(asked, False, f"the journal has no {asked}; its last number is #{facts.last}")
    return Why(asked, False, f"event {asked} is no longer kept", "no longer kept")


def _letter(facts: Facts, asked: str, digits: str) -> Why:
    letter = facts.letter(int(digits)) if digits.isdecimal() and len(digits) <= 18 else None
    if letter is None:
        hint = f"; is journal number #{digits} meant?" if digits.isdecimal() else ""
        return Why(
            asked, False, f"there is no dead letter {digits}: it never was, or is no longer kept{hint}"
        )
    event = facts.event(letter.id)
    if event is None:
        trail = tuple((str(topic), str(id)) for topic, id in letter.chain[:-1])
        cause = trail[-1][1] if trail else None
        event = EventFact(letter.id, letter.topic, None, "", cause, trail=trail, label=letter.label)
    chain, ends = back(facts, event)
    notes = [note_hop(note) for note in facts.notes(letter.id) if note.kind == "retry"]
    before = replace(event_hop(event), ahead=tuple(notes))
    message = f"dead letter {letter.number}: {letter.error or letter.reason}"
    return Why(asked, True, message, ends, (*chain, before, dead_hop(letter)))


def _agent(facts: Facts, asked: str) -> Why:
    name = asked[6:]
    notes = facts.notes(asked)
    life = tuple(note_hop(note) for note in notes[-8:])
    place = facts.last_step(name, known=bool(notes))
    if place is None:
        hop = Hop("agent", asked, None, name, kept=False, ahead=life)
        message = f"the last step of {name!r} is no longer kept, or it was REALTIME"
        return Why(asked, bool(life), message, "no longer kept", (hop,))
    seq, id = place
    event = facts.event_at(seq) or facts.event(id)
    chain, ends = ([], "no longer kept") if event is None else back(facts, event)
    before = Hop("event", id, time_of_id(id), "", kept=False) if event is None else event_hop(event)
    mine = [step for step in facts.steps(id, seq) if step.agent == name]
    step = mine[-1] if mine else StepFact(name, name, 1, 0, ())
    ahead = Ahead(facts).of_step(event or EventFact(id, "", None), step)
    done = replace(step_hop(step, bool(mine)), ahead=(*ahead.ahead, *life), more=ahead.more)
    return Why(asked, True, f"the last step of {name}", ends, (*chain, before, done))


def _led_to(facts: Facts, asked: str, cause: str, agent: str, hop: Hop) -> Why:
    """What a step led to: a timer or an effect."""
    event = facts.event(cause) if is_name(cause) else None
    message = f"{'action' if hop.kind == 'act' else hop.kind} {asked}"
    if event is None:
        lost = Hop("event", cause, time_of_id(cause), "", kept=False)
        return Why(asked, True, message, "no longer kept", (lost, hop) if cause else (hop,))
    chain, ends = back(facts, event)
    steps = _made_by(facts, event, agent)
    notes = [note_hop(n) for n in facts.notes(event.id) if n.facts.get("key") == asked]
    return Why(
        asked, True, message, ends, (*chain, event_hop(event), *steps, replace(hop, ahead=tuple(notes)))
    )


def _decision(facts: Facts, asked: str, hop: Hop) -> Why:
    """What the router decided, and because of which event."""
    cause = str(hop.facts.pop("event", ""))
    message = (
        f"decision {asked}: {hop.facts.get('task')} went {hop.facts.get('route')}, {hop.facts.get('why')}"
    )
    if not is_name(cause):
        return Why(asked, True, message, "source", (hop,))
    event = facts.event(cause)
    chain, ends = ([], "no longer kept") if event is None else back(facts, event)
    before = Hop("event", cause, time_of_id(cause), "", kept=False) if event is None else event_hop(event)
    return Why(asked, True, message, ends, (*chain, before, hop))


def _stranger(facts: Facts, asked: str) -> Why:
    """An id of which there is no row of its own: perhaps something that came of it is still there."""
    bare = EventFact(asked, "", time_of_id(asked))
    subject = replace(Ahead(facts).of(bare), kept=False)
    if subject.ahead:
        message = f"{asked} itself is no longer kept, or was never journalled; what came of it is"
        return Why(asked, True, message, "no longer kept", (subject,))
    if time_of_id(asked) is not None:
        message = f"event {asked} is no longer kept, or it was never on a topic that is"
        return Why(asked, False, message, "no longer kept")
    return Why(asked, False, f"nothing is known of {asked}: it never was, or is no longer kept")


# --- back ---------------------------------------------------------------------------------------------------------


def back(facts: Facts, event: EventFact) -> tuple[list[Hop], str]:
    """What led to *event*, from the source on, and how that begins."""
    chain: list[Hop] = []
    seen = {event.id}
    while event.cause is not None:
        if event.cause in seen:
            return chain[::-1], "cycle"
        if len(seen) > FURTHEST:
            return chain[::-1], "too long"
        seen.add(event.cause)
        before = facts.event(event.cause) if is_name(event.cause) else None
        if before is None:
            chain += _trail(event)
            return chain[::-1], "no longer kept"
        if len(seen) <= NEAR + 1:
            chain += _between(facts, before, event)[::-1]
        chain.append(event_hop(before))
        event = before
    return chain[::-1], "source"


def _between(facts: Facts, before: EventFact, event: EventFact) -> list[Hop]:
    """How *before* led to *event*: by a step, and perhaps by a timer that the step had set."""
    hops, made = _made_by(facts, before, event.source), facts.maker(event.id)
    if made is not None:
        fired = {"kind": made.get("kind", ""), "fired": True}
        hops.append(replace(timer_hop(event.id, made), facts=fired))
    return hops


def _made_by(facts: Facts, event: EventFact, agent: str) -> list[Hop]:
    """The step of *agent* on *event*, with the attempts before it that failed. Two handlers of one agent may have seen
    it; then which of them it was is not known, and both are told."""
    steps = [step for step in facts.steps(event.id, event.seq) if step.agent == agent]
    if not steps:
        return [step_hop(StepFact(agent, agent, 1, 0, ()), kept=False)] if agent else []
    notes = facts.notes(event.id)
    hops = []
    for step in steps:
        failed = [note_hop(n) for n in notes if n.kind == "retry" and n.facts.get("agent") == agent]
        hops.append(replace(step_hop(step), ahead=tuple(failed)))
    return hops


def _trail(event: EventFact) -> list[Hop]:
    """What is known of the events before: where a note has the trail, their topics."""
    if event.trail:
        return [Hop("event", id, time_of_id(id), topic, kept=False) for topic, id in event.trail[::-1]]
    cause = event.cause or ""
    return [Hop("event", cause, time_of_id(cause), "", kept=False)]


def time_of_id(id: str) -> int | None:
    """When an event was made, Unix ms, as its id says; None for an id of somebody else's."""
    match = _ID.fullmatch(id)
    return int(match[1], 16) if match else None
