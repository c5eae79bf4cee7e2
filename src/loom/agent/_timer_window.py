"""The nearest of many timers: a bounded window onto a range of the store that is sorted by when they are due."""

from __future__ import annotations

import heapq

from loom.agent._timer_row import key_due
from loom.store import Backend, Family

_DEAD = 64


class Window:
    """The keys of the nearest timers between *low* and *high*, at most *most*; the others stay in the store.

    A cache: it may hold keys that are no longer there, and never lacks one that is there, was told of, and comes before
    its edge.
    """

    __slots__ = ("_backend", "_edge", "_heap", "_high", "_most", "_rings")

    def __init__(self, backend: Backend, low: bytes, high: bytes, most: int) -> None:
        self._backend = backend
        self._high = high
        self._most = most
        self._edge: bytes | None = low  # the least key that was not looked at; None: all of them were
        self._heap: list[tuple[int, bytes]] = []
        self._rings: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._rings)

    def add(self, key: bytes, hold: int = 0) -> None:
        """Take in *key*, which is in the store; it does not ring before *hold*."""
        if self._edge is not None and key >= self._edge:
            return
        ring = max(key_due(key), hold)
        if self._rings.get(key) != ring:
            self._rings[key] = ring
            heapq.heappush(self._heap, (ring, key))
            if len(self._rings) > self._most:
                self._trim()

    def hasten(self, hold: int) -> None:
        """Hold none longer than until *hold*: the clock was set back."""
        for key, ring in list(self._rings.items()):
            if ring > max(hold, key_due(key)):
                self.add(key, hold)

    def discard(self, key: bytes) -> None:
        """Forget *key*, which is not in the store any more."""
        if self._rings.pop(key, None) is not None and len(self._heap) > 2 * len(self._rings) + _DEAD:
            self._rebuild()

    def head(self) -> int | None:
        """When the nearest one rings; None when there is none. Raises StoreError."""
        heap, rings = self._heap, self._rings
        while True:
            while heap and rings.get(heap[0][1]) != heap[0][0]:
                heapq.heappop(heap)
            if heap:
                return heap[0][0]
            if self._edge is None:
                return None
            self._fill(self._edge)

    def pop(self) -> bytes:
        """Take the nearest one out, after ``head`` has said that there is one."""
        _, key = heapq.heappop(self._heap)
        del self._rings[key]
        return key

    def _fill(self, edge: bytes) -> None:
        limit = max(1, self._most // 8)  # a short read: it is made on the loop
        rows = self._backend.scan(Family.DUE, edge, self._high, limit)
        self._edge = rows[-1][0] + b"\0" if len(rows) == limit else None
        for key, _ in rows:
            self.add(key)

    def _trim(self) -> None:
        """Leave the later half to the store."""
        keys = sorted(self._rings)
        self._edge = keys[self._most // 2]
        for key in keys[self._most // 2 :]:
            del self._rings[key]
        self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(ring, key) for key, ring in self._rings.items()]
        heapq.heapify(self._heap)
