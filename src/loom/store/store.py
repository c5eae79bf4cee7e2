"""The Store protocol: one batch in, all of it or nothing kept."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from loom.event import Event, Label


class StepCommit(NamedTuple):
    """Everything one step changes. ``state`` holds the values of ``fields``: the agent's whole state after it.

    ``label`` is the label of that state, ``event`` the input whose position is taken, ``outbox`` the events and
    ``effects`` the actions that leave with it (each with its ``key`` and ``action``).
    """

    agent: str
    event: Event
    fields: tuple[str, ...]
    state: tuple[Any, ...]
    label: Label
    outbox: Sequence[Event]
    effects: Sequence[Any]


class Store(Protocol):
    """Keeps what steps commit. ``commit`` either keeps the whole batch or raises StoreError and keeps nothing."""

    def commit(self, batch: Sequence[StepCommit]) -> Awaitable[None] | None:
        """Keep *batch*. None means it is kept already; an awaitable is waited for before any output leaves."""
        ...

    def load(self, agent: str) -> tuple[Mapping[str, Any], Label] | None:
        """The state of *agent* as last committed, by field, and its label; None for an unknown one."""
        ...

    def close(self) -> None:
        """Release what the store holds."""
        ...
