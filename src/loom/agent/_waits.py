"""Who waits for whom: a cycle of full queues and open requests is found before it is closed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def path_between(start: N, goal: N, edges: Callable[[N], Iterable[N]]) -> list[N] | None:
    """The nodes of a shortest path from *start* to *goal* along *edges*, both included; None if there is none.

    ``path_between(b, a, waits_for)`` is not None exactly when a new wait of *a* for *b* would close a cycle.
    """
    came_from: dict[N, N | None] = {start: None}
    level = [start]
    while level:
        if goal in came_from:
            return _trace(came_from, goal)
        below = []
        for node in level:
            for near in edges(node):
                if near not in came_from:
                    came_from[near] = node
                    below.append(near)
        level = below
    return None


def _trace(came_from: dict[N, N | None], goal: N) -> list[N]:
    path = [goal]
    while (before := came_from[path[-1]]) is not None:
        path.append(before)
    return path[::-1]
