"""One satellite: what it says becomes events, what agents answer goes back to it, and sound flows both ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from loom.adapters._wyoming_codec import Decoder, Message, encode
from loom.adapters.audio import CHUNK, RATE, Audio
from loom.adapters.resample import Converter, Samples
from loom.adapters.source import Out
from loom.errors import Closed, ConfigError, MissingExtra, RemoteFailed

ASKS = frozenset(
    {
        "detect",
        "transcribe",
        "synthesize",
        "run-pipeline",
        "detection",
        "played",
        "voice-started",
        "voice-stopped",
    }
)
"""Types of messages that are events on the topic of requests."""
STEP = round(CHUNK * RATE) * 2
LEAD = 0.2
"""Seconds of sound that a satellite gets before they are due."""
BLOCK = 0.1
PATIENCE = 5.0
"""Seconds that a satellite may refuse to take sound."""
LAST = 100


@dataclass(frozen=True, slots=True)
class Topics:
    """Where sound goes, ``SOUND.ID``, and what satellites ask for, ``ASKED.TYPE``."""

    sound: str
    asked: str


class Hearing:
    """The sound of one satellite as a stream of chunks of 80 ms, 16 kHz, whatever it sends."""

    def __init__(self, tell: Callable[[Audio], bool]) -> None:
        self._tell = tell
        self._form: Samples | None = None
        self._converter: Converter | None = None
        self._waiting = bytearray()
        self._number = 0

    def begin(self, form: Samples) -> None:
        """A stream of *form* begins; one that has not ended ends here. Raises RemoteFailed for sound that is none."""
        self.end()
        try:
            self._converter = Converter(form)
        except (ConfigError, MissingExtra) as error:
            raise RemoteFailed(str(error), retryable=False) from None
        self._form, self._number = form, 0

    def chunk(self, form: Samples, pcm: bytes) -> None:
        """Some sound; of another form than before it is another stream."""
        if form != self._form:
            self.begin(form)
        assert self._converter is not None
        self._waiting += self._converter.feed(pcm)
        while len(self._waiting) > STEP:  # one step stays back, so that the end has something to be in
            self._give(bytes(self._waiting[:STEP]))
            del self._waiting[:STEP]

    def end(self) -> None:
        """The stream is over, if there is one: its last chunk says so."""
        if self._converter is None:
            return
        rest = bytes(self._waiting) + self._converter.feed(b"", last=True)
        self._waiting.clear()
        self._converter = self._form = None
        self._give(rest, last=True)

    def _give(self, pcm: bytes, last: bool = False) -> None:
        at = self._number * CHUNK
        self._tell(Audio(pcm, number=self._number, at=at, captured_ms=time.time_ns() // 1_000_000, last=last))
        self._number += 1


class Session:
    """A connection to one satellite, whoever made it."""

    def __init__(self, id: str, writer: asyncio.StreamWriter, out: Out, topics: Topics) -> None:
        self.id = id
        self.heard = 0
        self._writer, self._out, self._topics = writer, out, topics
        self._decoder = Decoder()
        self._hearing = Hearing(self._offer)
        self._speaking = asyncio.Lock()
        self._plays: set[asyncio.Task[None]] = set()
        self._free = asyncio.Event()
        self._free.set()

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Listen until the satellite goes; the end of its sound is told in any case. Raises RemoteFailed."""
        try:
            while content := await reader.read(65_536):
                for message in self._decoder.feed(content):
                    await self._handle(message)
        except RemoteFailed as error:
            with suppress(RemoteFailed):
                self.send("error", {"text": str(error)})
            raise
        finally:
            with suppress(Closed):
                self._hearing.end()

    def send(self, kind: str, data: Mapping[str, Any] | None = None, payload: bytes = b"") -> None:
        """Send a message; raises RemoteFailed when the satellite is gone or takes nothing any more."""
        if self._writer.is_closing() or self._writer.transport.get_write_buffer_size() > 4_194_304:
            raise RemoteFailed(f"satellite {self.id} is gone", retryable=False)
        self._writer.write(encode(Message(kind, dict(data or {}), payload)))

    async def play(self, pcm: bytes, rate: int) -> None:
        """Let it sound after what sounds: signed 16-bit samples of one channel. Returns when it is over or stopped."""
        playing = asyncio.get_running_loop().create_task(self._sound(pcm, rate))
        self._plays.add(playing)
        try:
            await playing
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if not playing.cancelled() or (own is not None and own.cancelling()):
                raise  # not ``stop``: whoever waits for the end was cancelled
        finally:
            self._plays.discard(playing)

    def stop(self) -> None:
        """End what sounds and what waits to, and hold no longer."""
        for playing in self._plays:
            playing.cancel()
        self._free.set()

    def hold(self) -> None:
        """Send no more until ``resume``."""
        self._free.clear()

    def resume(self) -> None:
        """Go on where it was held."""
        self._free.set()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _sound(self, pcm: bytes, rate: int) -> None:
        async with self._speaking:
            form = {"rate": rate, "width": 2, "channels": 1}
            self.send("audio-start", form)
            try:
                await self._pace(pcm, rate, form)
            finally:
                with suppress(RemoteFailed):
                    self.send("audio-stop")

    async def _pace(self, pcm: bytes, rate: int, form: Mapping[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        due, step = loop.time(), max(1, round(BLOCK * rate)) * 2
        for start in range(0, len(pcm), step):
            if not self._free.is_set():
                stopped = loop.time()
                await self._free.wait()
                due += loop.time() - stopped
            block = pcm[start : start + step]
            self.send("audio-chunk", form, block)
            await self._drained()
            due += len(block) / 2 / rate
            await asyncio.sleep(due - LEAD - loop.time())
        await asyncio.sleep(due - loop.time())

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writer.drain()
        except (OSError, TimeoutError):
            raise RemoteFailed(f"satellite {self.id} takes no sound", retryable=False) from None

    async def _handle(self, message: Message) -> None:
        kind, data = message.kind, message.data
        if kind == "audio-start":
            self._hearing.begin(_form(data))
        elif kind == "audio-chunk":
            self._hearing.chunk(_form(data), message.payload)
        elif kind == "audio-stop":
            self._hearing.end()
        elif kind == "describe":
            self.send("info", INFO)
        elif kind == "ping":
            self.send("pong", {"text": data.get("text")})
        elif kind in ASKS:
            await self._out(f"{self._topics.asked}.{kind}", {**data, "satellite": self.id})

    def _offer(self, audio: Audio) -> bool:
        self.heard = audio.captured_ms
        fields: dict[str, Any] = {"metadata": {"satellite": self.id}}
        if audio.last:
            fields["priority"] = LAST
        return self._out.offer(f"{self._topics.sound}.{self.id}", audio, **fields)


def _form(data: Mapping[str, Any]) -> Samples:
    values = [data.get(name) for name in ("rate", "channels", "width")]
    if not all(type(value) is int for value in values):
        raise RemoteFailed(f"sound has the form {values!r:.80}", retryable=False)
    return Samples(*values)  # type: ignore[arg-type]


_LOOM = {
    "name": "loom",
    "attribution": {"name": "Loom", "url": ""},
    "installed": True,
    "description": "A runtime for agents",
    "version": None,
}
INFO: dict[str, Any] = {
    "asr": [{**_LOOM, "models": [{**_LOOM, "languages": ["en"]}]}],
    "tts": [{**_LOOM, "voices": [{**_LOOM, "languages": ["en"]}]}],
    "wake": [{**_LOOM, "models": [{**_LOOM, "languages": ["en"], "phrase": None}]}],
}
