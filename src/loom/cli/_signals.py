"""Ending in order: the first SIGINT or SIGTERM asks, the second one ends the process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


def on_first_signal(tell: Callable[[], None]) -> None:
    """Call *tell* on the running loop at the first signal; the next has its ordinary, final meaning.

    Plain handlers rather than the loop's own: those never run while somebody's code blocks the loop, and then no
    second signal could end the process either.
    """
    loop = asyncio.get_running_loop()

    def first(number: int, frame: FrameType | None) -> None:
        for each in NUMBERS:
            signal.signal(each, signal.SIG_DFL)
        loop.call_soon_threadsafe(tell)

    for each in NUMBERS:
        signal.signal(each, first)
