"""Partitions: one state of a query for each value of what it is asked ``by``, and a bound on their number."""

from __future__ import annotations

from typing import NamedTuple

from loom.event import Event
from loom.queries.pattern import reader
from loom.queries.query import Match, Outcome, Query, State

Parts = dict[str, State]
ALL = ""
"""The only partition of a query that is asked by nothing."""
AT_ONCE = 256
"""How many matches a step may make before it leaves the rest to the next one."""


class Turn(NamedTuple):
    """What an input has changed: the partition's key (None: in none), what was found there, reasons of losses."""

    key: str | None
    matches: tuple[Match, ...] = ()
    lost: tuple[str, ...] = ()


def take(query: Query[State], parts: Parts, dues: dict[str, int], event: Event, now_ms: int) -> Turn:
    """Give *event* to its partition, made if need be: then the one that was idle longest goes, above ``keys``."""
    key = partition_of(query, event)
    if key is None:
        return Turn(None, (), ("unkeyed",))
    state = parts.pop(key, None)
    turn = _settle(key, query.take(state or query.initial(), event, now_ms), parts, dues)
    if len(parts) <= query.keys:
        return turn
    idle = next(iter(parts))
    forgotten = ("forgotten",) * len(parts.pop(idle).kept)
    dues.pop(idle, None)
    return turn._replace(lost=turn.lost + forgotten)


def ring(query: Query[State], parts: Parts, dues: dict[str, int], due_ms: int) -> list[Turn]:
    """Let the clock come to *due_ms* in the partitions that wait for that; after 256 matches the others wait on."""
    turns: list[Turn] = []
    for key in [key for key, due in dues.items() if due <= due_ms]:
        turns.append(_settle(key, query.ring(parts[key], due_ms), parts, dues))
        if sum(len(turn.matches) for turn in turns) >= AT_ONCE:
            break
    return turns


def partition_of(query: Query[State], event: Event) -> str | None:
    """The key of the partition *event* belongs to; None if it has none."""
    if query.by is None:
        return ALL
    value = reader(query.by)(event)
    return None if value is None else str(value)


def _settle(key: str, outcome: Outcome[State], parts: Parts, dues: dict[str, int]) -> Turn:
    parts[key] = outcome.state
    if outcome.wake is None:
        dues.pop(key, None)
    else:
        dues[key] = outcome.wake
    return Turn(key, outcome.matches, outcome.lost)
