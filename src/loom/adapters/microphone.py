"""A microphone: sound from a device, chunk by chunk; it waits for nobody, and is found again when it was lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loom.adapters._ring import Ring
from loom.adapters.audio import CHUNK, RATE, Audio
from loom.adapters.resample import Converter, Samples, check_samples
from loom.adapters.source import Out
from loom.adapters.wav import LAST
from loom.errors import ConfigError, DeviceLost

if TYPE_CHECKING:
    from loom.adapters._sound_device import Listed, Opener, Stream

log = logging.getLogger("loom.adapter")
_BLOCK = 0.02  # seconds the device is asked for at a time
_RING = 100  # blocks between the device's thread and the loop: two seconds
_SILENT = (
    2.0  # seconds without a block after which the device is gone; a quiet room is not silent in this sense
)


@dataclass(frozen=True, slots=True)
class MicrophoneOptions:
    """*device* (its name, a part of it or its number; None: the system's own) on *topic*.

    Chunks of *chunk* seconds, *rate* samples a second, one channel. Raises ConfigError.
    """

    topic: str = "mic.room"
    device: str | int | None = None
    chunk: float = CHUNK
    rate: int = RATE

    def __post_init__(self) -> None:
        check_samples(Samples(self.rate))
        if not _BLOCK <= self.chunk <= 10:
            raise ConfigError(f"chunks of {self.chunk} seconds; use {_BLOCK} to 10")


class Microphone:
    """A device as a source: what nobody has room for is shed and counted, and numbers go on over what is missing.

    While it is muted the device is closed. A stream that breaks off, because the device is gone, ends with ``last``.
    """

    def __init__(
        self, name: str = "mic", options: MicrophoneOptions | None = None, *, opener: Opener | None = None
    ) -> None:
        self.name = name
        self.options = options or MicrophoneOptions()
        self.shed = 0
        """Blocks that the loop was too late for."""
        self._opener = opener

    @property
    def topics(self) -> Sequence[str]:
        """The one topic it publishes on."""
        return (self.options.topic,)

    async def run(self, out: Out) -> None:
        """Publish what is heard until cancelled; raises NoDevice, DeviceLost, MissingExtra."""
        from loom.adapters._sound_device import open_input

        o, ring = self.options, Ring(_RING)
        opening = asyncio.to_thread(
            self._opener or open_input, o.device, o.rate, round(_BLOCK * o.rate), ring.put
        )
        opened = asyncio.ensure_future(opening)
        try:
            stream = await asyncio.shield(opened)
        except asyncio.CancelledError:
            opened.add_done_callback(_close_late)  # it must not stay open because nobody waited for it
            raise
        out.found()
        try:
            await self._listen(out, stream, ring)
        finally:
            self.shed += ring.shed
            await asyncio.shield(asyncio.to_thread(stream.close))

    async def _listen(self, out: Out, stream: Stream, ring: Ring) -> None:
        given = Samples(stream.rate, stream.channels)
        converter = Converter(given, self.options.rate)
        cutter = Cutter(self.options, time.time_ns() // 1_000_000)
        while True:
            blocks = await ring.take(_SILENT)
            for missing, block in blocks:
                if missing:
                    cutter.skip(missing / given.step / given.rate)
                for audio in cutter.cut(converter.feed(block)):
                    out.offer(self.options.topic, audio)
            if not blocks:
                await out(self.options.topic, cutter.last(), priority=LAST)
                gone = "it has stopped" if not stream.active else f"no sound for {_SILENT:.0f} s"
                raise DeviceLost(f"the microphone is gone ({gone}); it is opened again when it is back")


class Cutter:
    """Cuts signed 16-bit samples into numbered chunks that know when they were recorded, Unix ms from *began_ms* on."""

    def __init__(self, options: MicrophoneOptions, began_ms: int) -> None:
        self._rate = options.rate
        self._size = 2 * round(options.chunk * options.rate)
        self._began_ms = began_ms
        self._kept = bytearray()
        self._number = 0
        self._skipped = 0.0

    def cut(self, pcm: bytes) -> list[Audio]:
        """The chunks that are complete."""
        self._kept += pcm
        made = []
        while len(self._kept) >= self._size:
            made.append(self._audio(bytes(self._kept[: self._size])))
            del self._kept[: self._size]
        return made

    def skip(self, seconds: float) -> None:
        """Something is missing: what is kept does not go together with what comes."""
        self._skipped += seconds + len(self._kept) / 2 / self._rate
        self._kept.clear()
        whole = int(self._skipped * self._rate * 2 / self._size)
        self._number += whole
        self._skipped -= whole * self._size / 2 / self._rate

    def last(self) -> Audio:
        """The end of the stream, with what was left."""
        rest = bytes(self._kept)
        self._kept.clear()
        return self._audio(rest, last=True)

    def _audio(self, pcm: bytes, last: bool = False) -> Audio:
        number, self._number = self._number, self._number + 1
        at = number * self._size / 2 / self._rate
        return Audio(
            pcm, self._rate, number=number, at=at, captured_ms=self._began_ms + round(at * 1000), last=last
        )


def microphone(
    name: str,
    home: Path,
    topic: str = "mic.room",
    device: str | int | None = None,
    chunk: float = CHUNK,
    rate: int = RATE,
) -> Microphone:
    """The microphone *device* on *topic*: for loom.toml."""
    return Microphone(name, MicrophoneOptions(topic, device, chunk, rate))


def list_microphones() -> list[Listed]:
    """The devices that can hear; raises NoDevice, MissingExtra. It asks the system, which can take a while."""
    from loom.adapters._sound_device import devices

    return [each for each in devices() if each.inputs]


def _close_late(opened: asyncio.Future[Stream]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        asyncio.get_running_loop().run_in_executor(None, opened.result().close)
