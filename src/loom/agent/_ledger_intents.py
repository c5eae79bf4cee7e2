"""Calls that an earlier process began and did not end: their steps ask for them again, or have diverged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from loom.store import Backend, Family


class Intents:
    """The keys of such calls, by step; a step claims those it asks for again."""

    __slots__ = ("_waiting",)

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._waiting: dict[str, list[str]] = {}
        for key in keys:
            if _is_call(key):
                self._waiting.setdefault(step_of(key), []).append(key)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def claim(self, key: str) -> list[str]:
        """The other calls of the step of *key* that nobody has asked for again; *key* itself is not among them."""
        waiting = self._waiting.get(step_of(key))
        if waiting is None:
            return []
        if key in waiting:
            waiting.remove(key)
        return waiting

    def left(self, step: str) -> list[str]:
        """Those of *step* that nobody has asked for again, now that it has ended; they are forgotten here."""
        return self._waiting.pop(step, [])


def open_keys(backend: Backend) -> Iterator[str]:
    """The keys of every open effect, in the order of their intents."""
    rows = backend.scan(Family.OPEN)
    while rows:
        yield from (key[9:].decode() for key, _ in rows)
        rows = backend.scan(Family.OPEN, rows[-1][0] + b"\0")


def step_of(key: str) -> str:
    """The step that an effect belongs to: its key without the last part."""
    return key.rpartition("/")[0]


def diverged(mine: dict[str, Any], other: dict[str, Any] | None) -> bool:
    """Whether *mine* stands where an earlier run asked for *other*: in both no other call was under way."""
    if other is None or not mine["alone"] or not other.get("alone"):
        return False
    return bool(mine["index"] == other.get("index"))


def _is_call(key: str) -> bool:
    """Calls end in a mark of 24 digits, acts in a number."""
    return len(key.rpartition("/")[2]) >= 24
