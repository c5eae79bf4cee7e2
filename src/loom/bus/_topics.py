"""A set of topics in a tree of tokens, which answers which of them a pattern matches without looking at the others."""

from __future__ import annotations

from typing import Any

_END = ""  # no token is empty: the key under which a node keeps the topic that ends there


class Topics:
    """Topics, findable by pattern: what ``Trie`` is for patterns, the other way round.

    A node is a dictionary of nodes by token; one behind which nothing else follows is the topic itself.
    """

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, topic: str) -> None:
        """Add *topic*, once."""
        node = self._root
        *head, last = topic.split(".")
        for token in head:
            child = node.get(token)
            if child is None:
                child = node[token] = {}
            elif type(child) is str:
                child = node[token] = {_END: child}
            node = child
        if type(node.get(last)) is dict:
            node[last][_END] = topic
        else:
            node[last] = topic

    def remove(self, topic: str) -> None:
        """Take *topic* out, with the branches that held nothing else; KeyError if it is not there."""
        path = [self._root]
        *head, last = topic.split(".")
        for token in head:
            child = path[-1][token]
            if type(child) is not dict:
                raise KeyError(topic)
            path.append(child)
        node = path[-1][last]
        if type(node) is dict:
            del node[_END]
            if node:
                return
        del path[-1][last]
        while head and not path[-1]:
            path.pop()
            del path[-1][head.pop()]

    def clear(self) -> None:
        """Forget every topic."""
        self._root.clear()

    def matching(self, pattern: tuple[str, ...]) -> list[str]:
        """The topics that *pattern*, split into tokens, matches; in no particular order."""
        level: list[Any] = [self._root]
        head = pattern[:-1] if pattern[-1] == ">" else pattern
        for token in head:
            level = _children(level) if token == "*" else [n[token] for n in _inner(level) if token in n]
        if pattern[-1] != ">":
            return _ends(level)
        found: list[str] = []
        while level := _children(level):
            found += _ends(level)
        return found


def _inner(level: list[Any]) -> list[dict[str, Any]]:
    return [node for node in level if type(node) is dict]


def _children(level: list[Any]) -> list[Any]:
    return [child for node in _inner(level) for key, child in node.items() if key != _END]


def _ends(level: list[Any]) -> list[str]:
    """The topics that end at the nodes of *level*."""
    found = (node.get(_END) if type(node) is dict else node for node in level)
    return [topic for topic in found if topic is not None]
