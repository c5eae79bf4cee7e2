"""Standard input as a source: each line an event, and one more when it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from threading import Thread
from typing import Any

from loom.adapters._lines import Line, Lines
from loom.adapters.source import Out
from loom.errors import ConfigError, NoDevice

_PIECE = 65_536


class Stdin:
    """Publishes {"text", "number", "cut"} on TOPIC.line, then {"lines"} on TOPIC.end, from file descriptor *fd*.

    Nothing is read ahead of what has been published, but for one piece of 64 KiB. No terminal is needed.
    """

    def __init__(self, name: str, topic: str = "stdin", longest: int = 10_000, fd: int | None = None) -> None:
        if not 1 <= longest <= 10_000_000:
            raise ConfigError(f"{name}: longest is {longest}; use 1 to 10000000 bytes")
        self.name = name
        self.topic = topic
        self.topics = (f"{topic}.*",)
        self._fd = fd
        self._lines = Lines(longest)
        self._untold: deque[Line] = deque()  # of one piece
        self._number = 0
        self._reading: asyncio.Future[bytes] | None = None

    async def run(self, out: Out) -> None:
        """Publish until the input ends; raises NoDevice when there is none."""
        fd = self._fd if self._fd is not None else _standard_input()
        ended = False
        while True:
            while self._untold:
                line = self._untold[0]
                payload = {"text": line.text, "number": self._number + 1, "cut": line.cut}
                await out(f"{self.topic}.line", payload)
                self._number += 1
                self._untold.popleft()
            if ended:
                break
            piece = await self._piece(fd)
            ended = not piece
            self._untold.extend(self._lines.end() if ended else self._lines.feed(piece))
        await out(f"{self.topic}.end", {"lines": self._number})

    async def _piece(self, fd: int) -> bytes:
        """The next bytes, read by a thread that nobody waits for at the end; a read that was given up is taken up."""
        if self._reading is None:
            loop = asyncio.get_running_loop()
            self._reading = loop.create_future()
            Thread(target=_read, args=(fd, loop, self._reading), name=self.name, daemon=True).start()
        piece = await asyncio.shield(self._reading)
        self._reading = None
        return piece


def _read(fd: int, loop: asyncio.AbstractEventLoop, future: asyncio.Future[bytes]) -> None:
    def tell(piece: bytes) -> None:
        if not future.done():
            future.set_result(piece)

    try:
        piece = os.read(fd, _PIECE)
    except OSError:  # a terminal that hung up, a closed descriptor: the end of the input
        piece = b""
    try:
        loop.call_soon_threadsafe(tell, piece)
    except RuntimeError:  # the loop has ended: nobody listens any more
        pass


def _standard_input() -> int:
    stream: Any = sys.stdin
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        raise NoDevice(
            "this process has no standard input; start it from a shell, or give it a pipe"
        ) from None


def stdin(name: str, topic: str = "stdin", longest: int = 10_000) -> Stdin:
    """Standard input: lines of at most *longest* bytes on *topic*.line, then *topic*.end. Raises ConfigError."""
    return Stdin(name, topic, longest)
