"""Patterns in a trie: which of them match a topic is found in one walk along its tokens."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("children", "here", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.here: list[T] = []
        self.rest: list[T] = []


class Trie(Generic[T]):
    """A multiset of (pattern, value) pairs that answers which values match a topic."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: tuple[str, ...], value: T) -> None:
        """Add *value* under *pattern*."""
        self._place(pattern).append(value)

    def remove(self, pattern: tuple[str, ...], value: T) -> None:
        """Take one *value* out from under *pattern*, with the branches that held nothing else."""
        path = [self._root]
        head = pattern[:-1] if pattern[-1] == ">" else pattern
        for token in head:
            path.append(path[-1].children[token])
        (path[-1].rest if pattern[-1] == ">" else path[-1].here).remove(value)
        for parent, token, node in reversed(list(zip(path, head, path[1:], strict=False))):
            if node.children or node.here or node.rest:
                break
            del parent.children[token]

    def match(self, topic: str) -> list[T]:
        """All values whose pattern matches *topic*, in no particular order."""
        found: list[T] = []
        level = [self._root]
        for token in topic.split("."):
            below: list[_Node[T]] = []
            for node in level:
                if node.rest:
                    found += node.rest
                children = node.children
                if children:
                    child = children.get(token)
                    if child is not None:
                        below.append(child)
                    child = children.get("*")
                    if child is not None:
                        below.append(child)
            if not below:
                return found
            level = below
        for node in level:
            found += node.here
        return found

    def _place(self, pattern: tuple[str, ...]) -> list[T]:
        node = self._root
        for token in pattern:
            if token == ">":
                return node.rest
            node = node.children.setdefault(token, _Node())
        return node.here
