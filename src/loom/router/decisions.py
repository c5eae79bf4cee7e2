"""The latest decisions, by id, while they are remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from loom.errors import UnknownDecision
from loom.models import Decision

KEPT = 1_000


class Decisions:
    """The latest `KEPT` decisions, oldest first; called with an id it gives that one."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Decision] = OrderedDict()

    def add(self, decision: Decision) -> None:
        """Remember *decision*; the oldest one is forgotten for it when there is no room."""
        self._by_id[decision.id] = decision
        if len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)

    def __call__(self, id: str) -> Decision:
        """The decision of this id; raises UnknownDecision."""
        found = self._by_id.get(id)
        if found is None:
            raise UnknownDecision(
                f"no decision {id!r} is remembered; the router keeps the latest {KEPT:,} since it was made"
            )
        return found

    def __iter__(self) -> Iterator[Decision]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)
