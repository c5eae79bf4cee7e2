"""States of streams by name, bounded: the one that was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")
MOST = 64


class Sessions(Generic[State]):
    """At most *most* states, made by *make* when their name is first heard."""

    def __init__(self, make: Callable[[], State], most: int = MOST) -> None:
        self._make = make
        self._most = most
        self._states: OrderedDict[str, State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def get(self, name: str, reset: bool = False) -> State:
        """The state of session *name*, a new one after *reset*; a call without a name is a session of its own."""
        if not name:
            return self._make()
        state = None if reset else self._states.pop(name, None)
        if state is None:
            self._states.pop(name, None)
            state = self._make()
        self._states[name] = state
        while len(self._states) > self._most:
            self._states.popitem(last=False)
        return state

    def forget(self, name: str) -> None:
        """Session *name* is over."""
        self._states.pop(name, None)
