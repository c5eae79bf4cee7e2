"""Scopes: slash-separated paths, so that one cancel takes down a tree."""

from __future__ import annotations

from collections import OrderedDict


def within(scope: str | None, tree: str) -> bool:
    """Whether *scope* is *tree* or inside it: ``"turn-1/search"`` is within ``"turn-1"``."""
    return scope is not None and (scope == tree or scope.startswith(tree + "/"))


class CancelledScopes:
    """The scopes cancelled lately, bounded: the oldest is forgotten first."""

    __slots__ = ("_capacity", "_scopes", "any")

    def __init__(self, capacity: int = 4096) -> None:
        self._scopes: OrderedDict[str, None] = OrderedDict()
        self._capacity = capacity
        self.any = False

    def add(self, scope: str) -> None:
        """Remember that *scope* was cancelled."""
        self._scopes[scope] = None
        self.any = True
        self._scopes.move_to_end(scope)
        if len(self._scopes) > self._capacity:
            self._scopes.popitem(last=False)

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def __contains__(self, scope: object) -> bool:
        """Whether *scope* or one it lies within was cancelled."""
        if not isinstance(scope, str):
            return False
        while scope not in self._scopes:
            scope, slash, _ = scope.rpartition("/")
            if not slash:
                return False
        return True
