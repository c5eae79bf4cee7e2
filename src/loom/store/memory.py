"""A store that forgets everything when the process ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loom.event import PUBLIC, Label
from loom.store.store import StepCommit


class MemoryStore:
    """Keeps the last state of each agent in a dictionary; every commit is complete when the call returns."""

    __slots__ = ("_fields", "_labels", "_states", "commits")

    def __init__(self) -> None:
        self._states: dict[str, tuple[Any, ...]] = {}
        self._fields: dict[str, tuple[str, ...]] = {}
        self._labels: dict[str, Label] = {}
        self.commits = 0

    def commit(self, batch: Sequence[StepCommit]) -> None:
        """Keep the states of *batch*."""
        self.commits += len(batch)
        states = self._states
        for agent, _, fields, state, label, _, _ in batch:
            if agent not in states:
                self._fields[agent] = fields
            states[agent] = state
            if label is not PUBLIC:
                self._labels[agent] = label

    def load(self, agent: str) -> tuple[Mapping[str, Any], Label] | None:
        """The state of *agent* as last committed, by field, and its label; None for an unknown one."""
        if agent not in self._states:
            return None
        state = dict(zip(self._fields[agent], self._states[agent], strict=True))
        return state, self._labels.get(agent, PUBLIC)

    def close(self) -> None:
        """Forget everything."""
        self._states.clear()
        self._fields.clear()
        self._labels.clear()
