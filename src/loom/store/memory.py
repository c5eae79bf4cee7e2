"""A store that forgets everything when the process ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loom.event import Label
from loom.store.store import StepCommit


class MemoryStore:
    """Keeps the last state of each agent in a dictionary; every commit is complete when the call returns."""

    __slots__ = ("_states", "commits")

    def __init__(self) -> None:
        self._states: dict[str, tuple[Mapping[str, Any], Label]] = {}
        self.commits = 0

    def commit(self, batch: Sequence[StepCommit]) -> None:
        """Keep the states of *batch*."""
        self.commits += len(batch)
        states = self._states
        for agent, _, state, label, _, _ in batch:
            if state is not None:
                states[agent] = (state, label)

    def load(self, agent: str) -> tuple[Mapping[str, Any], Label] | None:
        """The state of *agent* as last committed and its label, or None."""
        return self._states.get(agent)

    def close(self) -> None:
        """Forget everything."""
        self._states.clear()
