"""The oracle: what publishers were told and what the actuator saw, held against what the agents know in the end.

Pure, and knows nothing of Loom: an event that was acknowledged is handled exactly once by each agent it concerns, one
that was not is handled once or never, in the order of its publisher; so is what follows from it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torture._plan import Item

State = Mapping[str, Any]
ACTING = ("actor-", "caller-", "careful-", "doubter-")


class Act(NamedTuple):
    """What the actuator was asked to do: by whom, for which event, under which key; *receipt* is its own number."""

    name: str
    mark: str
    key: str
    receipt: int


@dataclass
class Book:
    """What was published and what became of that, as far as anybody outside can know."""

    tried: dict[str, Item] = field(default_factory=dict)
    acked: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    """Ids whose publication was repeated after later ones: their place in the order is open."""
    acts: list[Act] = field(default_factory=list)


class Report(NamedTuple):
    """What the runtime says when everything is done: the states of its agents and its dead letters."""

    agents: Mapping[str, State]
    dead: list[tuple[str, str]]
    """(agent, event id)"""


def judge(book: Book, report: Report) -> list[str]:
    """Everything that should not be so."""
    by_agent: defaultdict[str, list[Item]] = defaultdict(list)
    for item in book.tried.values():
        by_agent[item.name].append(item)
    problems: list[str] = []
    for name, state in report.agents.items():
        mine = by_agent.pop(name, [])
        kind = name.partition("-")[0]
        if name == "watcher":
            problems += _watched(book, report)
        elif kind != "ring":
            problems += (f"{name}: {problem}" for problem in _agent(kind, mine, state, book))
    problems += (
        f"{name} is not in the report"
        for name, mine in by_agent.items()
        if not name.startswith("room-") or any(item.id in book.acked for item in mine)
    )
    problems += _rings(book, report)
    problems += _dead(book, report)
    return [*problems, *_acts(book, report)]


def _agent(kind: str, items: list[Item], state: State, book: Book) -> Iterator[str]:
    healthy = [item for item in items if not item.poison]
    sure = {item.mark for item in healthy if item.id in book.acked}
    seen = state["seen"]
    yield from once(seen, sure, {item.mark for item in healthy})
    values = {item.mark: item.value for item in healthy}
    if state["count"] != len(seen):
        yield f"counted {state['count']}, saw {len(seen)}"
    if state["total"] != sum(values.get(mark, 0) for mark in seen):
        yield f"summed {state['total']}, which is not the sum of what it saw"
    late = {item.mark for item in items if item.id in book.late}
    yield from in_order(mark for mark in seen if mark not in late)
    yield from _more(kind, {item.mark: item for item in items}, state)


def _more(kind: str, items: Mapping[str, Item], state: State) -> Iterator[str]:
    """What only agents of one kind have to get right."""
    seen = set(state["seen"])
    if kind in ("ringer", "canceller"):
        ended = [*state["rang"], *state.get("cancelled", ())]
        yield from (f"timer {problem}" for problem in once(ended, seen, seen))
    elif kind == "mixed":
        yield from (f"at once: {problem}" for problem in once(state["now"], set(), seen))
    elif kind == "keeper":
        if set(state["texts"]) != set(state["seen"][-len(state["texts"]) :]):
            yield "keeps other texts than the last ones"
        yield from (
            f"keeps a wrong text for {m}" for m, text in state["texts"].items() if items[m].text != text
        )
    elif kind == "asker" and state["answers"] != {mark: f"re {mark}" for mark in seen}:
        yield f"has wrong answers: {sorted(state['answers'].items())[:5]}"


def once(seen: list[str], sure: set[str], possible: set[str]) -> Iterator[str]:
    """What breaks exactly once: *sure* has to be seen, nothing but *possible* may be, nothing twice."""
    times = Counter(seen)
    twice = [mark for mark, count in times.items() if count > 1]
    if sure - times.keys():
        yield f"lost {sorted(sure - times.keys())[:5]} of {len(sure)}"
    if times.keys() - possible:
        yield f"made up {sorted(times.keys() - possible)[:5]}"
    if twice:
        yield f"saw twice {sorted(twice)[:5]}"


def in_order(marks: Iterable[str]) -> Iterator[str]:
    """What breaks the order of a publisher (and hop, where there is one)."""
    last: dict[tuple[str, ...], tuple[int, str]] = {}
    for mark in marks:
        publisher, number, *hop = mark.split(":")
        flow = (publisher, *hop)
        before = last.get(flow)
        if before is not None and int(number) < before[0]:
            yield f"saw {mark} after {before[1]}"
            return
        last[flow] = (int(number), mark)


def _rings(book: Book, report: Report) -> Iterator[str]:
    sure: defaultdict[str, set[str]] = defaultdict(set)
    possible: defaultdict[str, set[str]] = defaultdict(set)
    begun = {
        mark for name, state in report.agents.items() if name.startswith("ring-") for mark in state["seen"]
    }
    for item in book.tried.values():
        if item.kind == "ring":
            happened = item.id in book.acked or f"{item.mark}:0" in begun
            for name, mark in item.chain():
                possible[name].add(mark)
                if happened:
                    sure[name].add(mark)
    late = {item.mark for item in book.tried.values() if item.id in book.late}
    for name, state in report.agents.items():
        if name.startswith("ring-"):
            ordered = (mark for mark in state["seen"] if mark.rpartition(":")[0] not in late)
            wrong = [*once(state["seen"], sure[name], possible[name]), *in_order(ordered)]
            yield from (f"{name}: derived events: {problem}" for problem in wrong)


def happened(book: Book, report: Report) -> set[str]:
    """The marks of all events that took place: acknowledged, or seen by the agent they are for, or dead."""
    dead = {event for _, event in report.dead}
    found = set()
    for item in book.tried.values():
        seen = report.agents.get(item.name, {"seen": ()})["seen"]
        mark = f"{item.mark}:0" if item.kind == "ring" else item.mark
        if item.id in book.acked or item.id in dead or mark in seen:
            found.add(item.mark)
    return found


def _watched(book: Book, report: Report) -> Iterator[str]:
    state, marks = report.agents["watcher"], happened(book, report)
    values = {item.mark: item.value for item in book.tried.values()}
    expected = len(marks), sum(values[mark] for mark in marks)
    if (state["count"], state["total"]) != expected:
        yield f"watcher: counted and summed {state['count']}, {state['total']}; took place: {expected}"


def _dead(book: Book, report: Report) -> Iterator[str]:
    """Poison is buried once; the failures of REALTIME handlers are not counted here."""
    poison = {f"{i.name} {i.id}": i.id in book.acked for i in book.tried.values() if i.poison}
    found = [f"{agent} {event}" for agent, event in report.dead if not agent.startswith("mixed-")]
    for problem in once(found, {letter for letter, acked in poison.items() if acked}, set(poison)):
        yield f"dead letters: {problem}"


def _acts(book: Book, report: Report) -> Iterator[str]:
    """Every act of a step that was kept was asked for, always under one key, and no other."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    owners: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    receipts: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for name, mark, key, receipt in book.acts:
        keys[name, mark].add(key)
        owners[key].add((name, mark))
        receipts[name, mark].add(receipt)
    kept = {
        (name, mark)
        for name, state in report.agents.items()
        if name.startswith(ACTING)
        for mark in state["seen"]
    }
    never = {who for who in kept - keys.keys() if not who[0].startswith("careful-")}
    if never:
        yield f"acts: never done: {sorted(never)[:5]}"
    twice = [who for who, given in receipts.items() if len(given) > 1 and who[0].startswith("careful-")]
    if twice:
        yield f"acts: done twice, which must not be: {sorted(twice)[:5]}"
    if keys.keys() - kept:
        yield f"acts: done for steps that were not kept: {sorted(keys.keys() - kept)[:5]}"
    yield from (f"acts: {who} under {len(k)} keys {sorted(k)[:3]}" for who, k in keys.items() if len(k) > 1)
    yield from (f"acts: one key {key} for {sorted(who)[:3]}" for key, who in owners.items() if len(who) > 1)
    for name, state in report.agents.items():
        for mark, receipt in state.get("receipts", {}).items():
            if receipt not in receipts[name, mark]:
                yield f"{name}: keeps receipt {receipt} for {mark}, which nobody gave"
