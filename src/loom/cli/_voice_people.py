"""Who speaks in `loom demo voice`: somebody with the bundled voice, or a recording that waits for its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from loom.adapters.audio import CHUNK, RATE, Audio
from loom.cli._voice_cloud import SPOKEN

TOPIC = "mic.demo"
SAMPLES = int(CHUNK * RATE)
PAUSE, LONG_PAUSE = 0.5, 1.2
PATIENCE = 90.0


class Line(NamedTuple):
    """What somebody says: *text*, once the assistant is silent; or *over* it, when it has spoken for so many seconds.

    Before it *first* is done, and after it nothing is said until *then*.
    """

    text: str
    over: float | None = None
    first: Callable[[], object] | None = None
    then: Callable[[], object] | None = None


class Pace:
    """Gives chunks of sound to a runtime, in real time or as fast as they are listened to."""

    def __init__(self, out: Any, behind: Callable[[], int], fast: bool = False) -> None:
        self.at = 0.0
        self._out, self._behind, self._fast = out, behind, fast
        self._number = 0
        self._next = asyncio.get_running_loop().time()

    async def give(self, pcm: bytes, last: bool = False) -> None:
        """One chunk, at its time."""
        await self._wait()
        sound = Audio(pcm, number=self._number, at=self.at, last=last)
        self._out.offer(TOPIC, sound, label=SPOKEN)
        self._number += 1
        self.at += len(pcm) / 2 / RATE

    async def rest(self) -> None:
        """Time has passed in which nothing was given."""
        await asyncio.sleep(CHUNK / 4)
        self._next = asyncio.get_running_loop().time()

    async def _wait(self) -> None:
        if self._fast:
            await asyncio.sleep(0)
            while self._behind() > 4:
                await asyncio.sleep(0.002)
            return
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + CHUNK, now - CHUNK)
        await asyncio.sleep(max(0.0, self._next - now))


async def converse(
    lines: Sequence[Line], speak: Callable[[str], Awaitable[bytes]], pace: Pace, timeline: Any
) -> None:
    """Say *lines* one after the other in a room that is silent between them."""
    await _silence(pace, LONG_PAUSE)
    for line in lines:
        pcm = await _while_silent(pace, speak(line.text))
        over = line.over is not None
        await _until(pace, lambda over=over: timeline.sounding if over else not timeline.busy)  # type: ignore[misc]
        await _silence(pace, PAUSE if line.over is None else line.over)
        if line.first is not None:
            line.first()
            await _silence(pace, LONG_PAUSE)
        for chunk in chunks(pcm):
            await pace.give(chunk)
        await _silence(pace, LONG_PAUSE)
        if line.then is not None:
            await _until(pace, line.then)
    await _until(pace, lambda: not timeline.busy)


async def recite(sound: AsyncIterator[bytes], pace: Pace, timeline: Any, live: bool) -> None:
    """Give a recording; unless it is *live* it waits while the assistant thinks and speaks, as a polite person does."""
    async for pcm in sound:
        while not live and timeline.busy:
            await pace.rest()
        await pace.give(pcm)
    await _silence(pace, LONG_PAUSE)
    await pace.give(b"", last=True)


def chunks(pcm: bytes) -> list[bytes]:
    """*pcm* in pieces of 80 ms, the last one filled up with silence."""
    size = SAMPLES * 2
    return [pcm[start : start + size].ljust(size, b"\0") for start in range(0, len(pcm), size)]


async def _silence(pace: Pace, seconds: float) -> None:
    for _ in range(round(seconds / CHUNK)):
        await pace.give(bytes(SAMPLES * 2))


async def _until(pace: Pace, come: Callable[[], object]) -> None:
    for _ in range(round(PATIENCE / CHUNK)):
        if come():
            return
        await pace.give(bytes(SAMPLES * 2))


async def _while_silent(pace: Pace, made: Awaitable[bytes]) -> bytes:
    task = asyncio.ensure_future(made)
    try:
        while not task.done():
            await pace.give(bytes(SAMPLES * 2))
        return task.result()
    finally:
        task.cancel()
