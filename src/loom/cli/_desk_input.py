"""Questions from standard input, line by line, whatever it is: a terminal, a pipe or a file."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

LONGEST = 10_000  # characters of one line; what comes after is another question
READ = 65_536


async def typed(handle: int = 0) -> AsyncIterator[str]:
    """The lines of *handle*, stripped, to its end.

    They are read by a thread of its own that nobody waits for, and without Python's own buffer: neither a terminal
    that says nothing nor a lock can then keep the process from ending. It reads no further than somebody takes.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(64)

    def put(line: str | None) -> None:
        asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    def read() -> None:
        rest = b""
        try:
            while data := os.read(handle, READ):
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    put(_text(line))
                if len(rest) > LONGEST:
                    put(_text(rest))
                    rest = b""
            if rest:
                put(_text(rest))
            put(None)
        except (OSError, RuntimeError):  # the terminal, or the loop, is gone
            return

    threading.Thread(target=read, name="loom-questions", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:LONGEST]
