"""What a watching thread says, handed over to the loop: bounded, and what was too much becomes one word, "look"."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import NamedTuple


class Said(NamedTuple):
    """The paths that were touched, and whether there was more than could be kept: then everything must be looked at."""

    paths: tuple[str, ...]
    all: bool


class Hints:
    """At most *capacity* paths on their way from a thread to the loop it was made in; the thread never waits."""

    def __init__(self, capacity: int = 1024) -> None:
        self.capacity = capacity
        self.overflows = 0
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._paths: dict[str, None] = {}
        self._all = False
        self._awake = False
        self._event = asyncio.Event()

    def touch(self, path: str) -> None:
        """From any thread: something happened to *path*."""
        with self._lock:
            if path not in self._paths:
                if len(self._paths) >= self.capacity:
                    self._overflow()
                else:
                    self._paths[path] = None
            wake = self._wake()
        self._call(wake)

    def look(self) -> None:
        """From any thread: something happened that can only be found by looking at everything."""
        with self._lock:
            self._all = True
            self._paths.clear()
            wake = self._wake()
        self._call(wake)

    def take(self) -> Said:
        """What was said since the last time; on the loop."""
        with self._lock:
            said = Said(tuple(self._paths), self._all)
            self._paths.clear()
            self._all = self._awake = False
            self._event.clear()
        return said

    async def wait(self, timeout: float) -> None:
        """Return when something was said, or after *timeout* seconds."""
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                await self._event.wait()
        except TimeoutError:
            pass

    def _overflow(self) -> None:
        self.overflows += 1
        self._all = True
        self._paths.clear()

    def _wake(self) -> bool:
        """Whether the loop must be told: it need not be told twice."""
        wake, self._awake = not self._awake, True
        return wake

    def _call(self, wake: bool) -> None:
        if not wake:
            return
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop has ended: nobody listens any more
            pass
