"""Blocks of sound on their way from a device's thread to the loop: bounded, and what has no room is counted."""

from __future__ import annotations

import asyncio
import threading
from collections import deque


class Ring:
    """At most *capacity* blocks. ``put`` is for the device's thread and never waits; ``take`` is for the loop.

    Of what does not fit the oldest is shed: ``shed`` counts blocks, and ``take`` says how many are missing before each.
    """

    def __init__(self, capacity: int) -> None:
        self.shed = 0
        self._capacity = capacity
        self._blocks: deque[tuple[int, bytes]] = deque()
        self._missing = 0
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._there = asyncio.Event()

    def put(self, block: bytes) -> None:
        """Hand over a block."""
        with self._lock:
            first = not self._blocks
            if len(self._blocks) >= self._capacity:
                before, old = self._blocks.popleft()
                self.shed += 1
                lost = before + len(old)
                if self._blocks:
                    follows, after = self._blocks[0]
                    self._blocks[0] = (follows + lost, after)
                else:
                    self._missing += lost
            self._blocks.append((self._missing, block))
            self._missing = 0
        if first:
            try:
                self._loop.call_soon_threadsafe(self._there.set)
            except RuntimeError:  # the loop is closed: nobody listens any more
                return

    async def take(self, timeout: float) -> list[tuple[int, bytes]]:
        """The blocks that are there, each with the bytes missing before it; waits at most *timeout* seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._there.wait()
        except TimeoutError:
            return []
        with self._lock:
            blocks, self._blocks = self._blocks, deque()
            self._there.clear()
        return list(blocks)

    def __len__(self) -> int:
        return len(self._blocks)
