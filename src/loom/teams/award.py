"""Bids, the rule by which a task is awarded, and what a manager knows of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Bid:
    """What a bidder wants for a task: the lower the value, the better it is suited."""

    bidder: str
    value: float


@dataclass
class Task:
    """A task that is not done: its bids, those still to be tried in their order, and who has it now."""

    payload: Any
    scope: str | None
    bids: list[Bid] = field(default_factory=list)
    ranked: list[Bid] = field(default_factory=list)
    standing: str = ""
    turn: int = 0


Award = Callable[[Sequence[Bid]], Iterable[Bid]]


class Rules(NamedTuple):
    """What a manager goes by: where its topics begin, how many seconds it waits, who is best, how much it takes on."""

    base: str
    deadline: float
    report: float
    award: Award
    limit: int


def cheapest(bids: Sequence[Bid]) -> list[Bid]:
    """The lowest value first; of equal ones the one that came first."""
    return sorted(bids, key=lambda bid: bid.value)
