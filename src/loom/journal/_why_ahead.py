"""What came of an event: a tree of steps, events, timers, effects, dead letters and losses, bounded in every way."""

from __future__ import annotations

import json
from dataclasses import replace

from loom.journal._why_facts import EventFact, Facts, StepFact
from loom.journal._why_hops import Hop, act_hop, dead_hop, event_hop, note_hop, step_hop, timer_hop

DEPTH, BREADTH, MOST = 5, 12, 150
_KINDS = ("event", "timer", "act", "dead")
"""Events below one another, hops below one, events in all."""


class Ahead:
    """Grows one tree; an event that is in it already is not gone into again."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._left = MOST
        self._seen: set[str] = set()

    def of(self, event: EventFact, depth: int = 0) -> Hop:
        """*event* with what came of it."""
        hop = event_hop(event)
        if event.id in self._seen:
            return replace(hop, facts={**hop.facts, "again": True})
        self._seen.add(event.id)
        self._left -= 1
        if depth >= DEPTH or self._left <= 0:
            return self._cut(hop, event.id)
        came = self._children(event, depth)
        steps = self._facts.steps(event.id, event.seq)
        found = [_bounded(step_hop(step), came.take(step.agent)) for step in steps]
        rest = _Came([*self._noted(event.id), *found, *came.hops], came.more, came.endless)
        return _bounded(hop, rest)

    def of_step(self, event: EventFact, step: StepFact) -> Hop:
        """*step* with what came of it, and nothing of the other steps of *event*."""
        self._seen.add(event.id)
        return _bounded(step_hop(step), self._children(event, 0).take(step.agent))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _children(self, event: EventFact, depth: int) -> _Came:
        found = {kind: self._facts.children(event.id, kind) for kind in _KINDS}
        ids = {kind: [id for id, _ in children.rows] for kind, children in found.items()}
        fired = set(ids["timer"]).intersection(ids["event"])  # it has become an event: told once, as that
        ids["timer"] = [id for id in ids["timer"] if id not in fired]
        most = BREADTH // max(1, sum(map(bool, ids.values())))
        came = _Came([], 0, any(children.more for children in found.values()))
        for kind, each in ids.items():
            room = max(most, BREADTH - sum(len(ids[k][:most]) for k in _KINDS if k != kind))
            hops = [self._child(kind, id, depth) for id in each[:room]]
            came.hops += [_fired(hop) if hop.id in fired else hop for hop in hops if hop is not None]
            came.more += len(each[room:])
        return came

    def _child(self, kind: str, id: str, depth: int) -> Hop | None:
        if kind == "event":
            event = self._facts.event(id)
            return _unseen(kind, id) if event is None else self.of(event, depth + 1)
        if kind == "timer":
            made = self._facts.maker(id)
            return _unseen(kind, id) if made is None else timer_hop(id, made)
        if kind == "act":
            effect = self._facts.effect(id)
            return _unseen(kind, id) if effect is None else act_hop(id, effect)
        letter = self._facts.letter(int(id))
        return None if letter is None else dead_hop(letter)

    def _noted(self, id: str) -> list[Hop]:
        """What was noted, the same loss at several queues told once for each."""
        told: dict[str, Hop] = {}
        for note in self._facts.notes(id):
            if note.kind != "acted":
                hop = note_hop(note)
                told.setdefault(json.dumps([hop.kind, hop.what, hop.facts], sort_keys=True, default=str), hop)
        return list(told.values())

    def _cut(self, hop: Hop, id: str) -> Hop:
        """*hop* without going further: only how much there would be."""
        children = self._facts.children(id, "event")
        return replace(hop, more=len(children.rows), endless=children.more)


class _Came:
    """The hops that came of an event, and how many further there are."""

    __slots__ = ("endless", "hops", "more")

    def __init__(self, hops: list[Hop], more: int, endless: bool) -> None:
        self.hops, self.more, self.endless = hops, more, endless

    def take(self, agent: str) -> _Came:
        """Those by *agent*; the number of the others is told here if nothing else is left."""
        mine = [hop for hop in self.hops if hop.by == agent]
        self.hops = [hop for hop in self.hops if hop.by != agent]
        if self.hops or not mine:
            return _Came(mine, 0, False)
        taken = _Came(mine, self.more, self.endless)
        self.more, self.endless = 0, False
        return taken


def _bounded(hop: Hop, came: _Came) -> Hop:
    hops, more = came.hops[:BREADTH], came.more + len(came.hops[BREADTH:])
    return replace(hop, ahead=tuple(hops), more=more, endless=came.endless)


def _fired(hop: Hop) -> Hop:
    return replace(hop, facts={**hop.facts, "timer": True})


def _unseen(kind: str, id: str) -> Hop:
    return Hop(kind, id, None, "", kept=False)
