"""Sound from a file as if it were heard: WAV of any common form, or raw samples, in real time or as fast as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from loom.adapters._wav_file import SoundFile
from loom.adapters.audio import CHUNK, RATE, Audio
from loom.adapters.resample import Converter, Samples, check_samples
from loom.adapters.source import Out
from loom.errors import ConfigError

LAST = 100
"""The priority of the event that ends a stream: of what is shed it would be the very last."""
_AHEAD = 2.0  # seconds of sound that are read at a time
_MOST = 4 * 1024 * 1024  # bytes of it, whatever a file says of itself


@dataclass(frozen=True, slots=True)
class WavOptions:
    """*file* on *topic*, in chunks of *chunk* seconds at *rate*; not in *realtime*: as fast as there is room for it.

    With *loop* it begins again at its end. *raw*: what the bytes of a file without a header mean. Raises ConfigError.
    """

    file: Path
    topic: str = "mic.file"
    realtime: bool = True
    loop: bool = False
    chunk: float = CHUNK
    rate: int = RATE
    raw: Samples | None = None

    def __post_init__(self) -> None:
        check_samples(Samples(self.rate))
        if not 0.005 <= self.chunk <= 10:
            raise ConfigError(f"chunks of {self.chunk} seconds; use 0.005 to 10")
        if self.raw is not None:
            check_samples(self.raw)


class Wav:
    """A file as a source. Each time through is a stream of its own: it begins with number 0 and ends with ``last``.

    In real time it is like a microphone: what nobody has room for is shed and counted, but never the end. At full speed
    it waits for room. Muted, it ends; unmuted, it begins again.
    """

    def __init__(self, name: str, options: WavOptions) -> None:
        self.name = name
        self.options = options

    @property
    def topics(self) -> Sequence[str]:
        """The one topic it publishes on."""
        return (self.options.topic,)

    async def run(self, out: Out) -> None:
        """Publish the file; raises UnreadableAudio. A flaw is told on ``loom.adapter.NAME.damaged``."""
        while True:
            began = asyncio.get_running_loop().time()
            await self._play(out)
            if not self.options.loop:
                return
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, self.options.chunk - spent))  # an empty file does not spin

    async def _play(self, out: Out) -> None:
        o, loop = self.options, asyncio.get_running_loop()
        began, began_ms = loop.time(), time.time_ns() // 1_000_000
        chunks = chunks_of(o.file, o, lambda flaw: out.tell("damaged", file=str(o.file), why=flaw))
        async with aclosing(chunks):
            async for audio in chunks:
                audio = replace(audio, captured_ms=began_ms + round(audio.at * 1000))
                if o.realtime:  # a chunk is there when it has been heard
                    await asyncio.sleep(began + audio.at + audio.seconds - loop.time())
                if audio.last:
                    await out(o.topic, audio, priority=LAST)
                elif o.realtime:
                    out.offer(o.topic, audio)
                else:
                    await out(o.topic, audio)


async def chunks_of(
    path: Path, options: WavOptions | None = None, on_flaw: Callable[[str], object] | None = None
) -> AsyncGenerator[Audio, None]:
    """The sound in *path* chunk by chunk, converted, the last one marked; raises UnreadableAudio, MissingExtra.

    Files are read in a thread, a few seconds at a time; *on_flaw* is told what is wrong with one that can be read.
    """
    o = options or WavOptions(path)
    file = await asyncio.to_thread(SoundFile, path, o.raw)
    try:
        if file.sound.flaw and on_flaw is not None:
            on_flaw(file.sound.flaw)
        cutter = _Cutter(o)
        converter = Converter(file.sound.samples, o.rate)
        samples = file.sound.samples
        moments = min(int(_AHEAD * samples.rate), _MOST // samples.step)
        while True:
            raw = await asyncio.to_thread(file.read, moments)
            pcm = await asyncio.to_thread(converter.feed, raw, not raw)
            for audio in cutter.cut(pcm, last=not raw):
                yield audio
            if not raw:
                return
    finally:
        file.close()


def check_readable(path: Path) -> float:
    """How many seconds of sound are in the WAV file *path*; raises UnreadableAudio. It reads the disk."""
    with SoundFile(path) as file:
        return file.sound.seconds


def wav(
    name: str,
    home: Path,
    file: str,
    topic: str = "mic.file",
    realtime: bool = True,
    loop: bool = False,
    chunk: float = CHUNK,
    rate: int = RATE,
    raw: bool = False,
    raw_rate: int = RATE,
    raw_channels: int = 1,
    raw_width: int = 2,
) -> Wav:
    """The sound in *file*, below *home*, on *topic*: for loom.toml."""
    samples = Samples(raw_rate, raw_channels, raw_width) if raw else None
    return Wav(name, WavOptions(home / file, topic, realtime, loop, chunk, rate, samples))


class _Cutter:
    """Cuts signed 16-bit samples of one channel into numbered chunks. Only what comes with *last* may be shorter."""

    def __init__(self, options: WavOptions) -> None:
        self._rate = options.rate
        self._size = 2 * max(1, round(options.chunk * options.rate))
        self._kept = b""
        self._number = 0

    def cut(self, pcm: bytes, last: bool) -> Iterator[Audio]:
        """The chunks that are complete; one is kept back until it is known whether it is the last."""
        data = self._kept + pcm
        place = 0
        while len(data) - place > self._size:
            yield self._audio(data[place : place + self._size])
            place += self._size
        self._kept = data[place:]
        if last:
            yield self._audio(self._kept, last=True)

    def _audio(self, pcm: bytes, last: bool = False) -> Audio:
        number, self._number = self._number, self._number + 1
        return Audio(pcm, self._rate, number=number, at=number * self._size / 2 / self._rate, last=last)
