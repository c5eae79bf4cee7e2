"""Long work in short steps, so that others have their turns in between."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[int, None, T]
"""Work that says after each step how many characters it looked at, and at its end what came of it."""

TURN = 16_384
"""How many characters are looked at, those of each detector counted, before others have their turn."""


def done(steps: Steps[T]) -> T:
    """What comes of *steps*, in one go."""
    while (result := _turn(steps)) is None:
        pass
    return result[0]


class Line:
    """Where long work stands in line: one turn of one of all that stand in it, then a round of the loop for others."""

    __slots__ = ("_lock", "_loop")

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def through(self, steps: Steps[T]) -> T:
        """What comes of *steps*; work of one turn is done at once. Cancellation ends it between two turns."""
        result = _turn(steps)
        while result is None:
            async with self._here():
                await asyncio.sleep(0)  # held meanwhile: nobody else of the line has a turn in the same round
                result = _turn(steps)
        return result[0]

    def _here(self) -> asyncio.Lock:
        """The lock of the running loop: one that others stand in line for belongs to one loop for good."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._lock, self._loop = asyncio.Lock(), loop
        return self._lock


def _turn(steps: Steps[T]) -> tuple[T] | None:
    """A turn of *steps*; what came of them if that was the last."""
    seen = 0
    try:
        while seen < TURN:
            seen += next(steps)
    except StopIteration as end:
        result: T = end.value
        return (result,)
    return None
