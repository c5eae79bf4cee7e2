"""A Wyoming service for speech as capabilities: what another machine transcribes, or speaks, for this one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._feed import Feed, check_range, make_feed
from loom.adapters._pinned import open_socket, pin
from loom.adapters._wyoming_codec import Decoder, Message, encode
from loom.adapters.resample import Converter, Samples
from loom.errors import ActionFailed, ConfigError, MissingExtra, RemoteFailed, RemoteTooLarge

PIECE = 8192
MAX_TEXT = 10_000


class WyomingService:
    """The capabilities ``NAME.transcribe`` and ``NAME.speak`` of one service; a connection for each call.

    They raise EgressRefused, RemoteFailed and RemoteTooLarge; *timeout* is in seconds, *limit* bytes of sound.
    """

    def __init__(self, name: str, feed: Feed, timeout: float = 60.0, limit: int = 33_554_432) -> None:
        self.name = name
        self._feed, self._timeout, self._limit = feed, timeout, limit
        self._actions = [self._transcribing(), self._speaking()]

    def actions(self) -> Iterable[Action]:
        """``transcribe`` and ``speak``; whether the service does both is its own affair."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing stays open between calls."""

    def _transcribing(self) -> Action:
        @action(f"{self.name}.transcribe", timeout=self._timeout + 1, idempotent=True)
        async def transcribe(pcm: bytes, rate: int = 16_000, language: str = "") -> dict[str, Any]:
            """What is said in signed 16-bit samples of one channel: ``{"text"}``."""
            if len(pcm) % 2 or not 1000 <= rate <= 192_000 or len(pcm) > self._limit:
                raise ActionFailed(
                    f"{len(pcm):,} bytes at {rate} samples/s are no 16-bit sound of at most {self._limit:,}"
                )
            asked = sound_messages(pcm, rate, {"language": language} if language else {})
            async with self._answers(asked) as answers:
                async for message in answers:
                    if message.kind == "transcript":
                        return {"text": str(message.data.get("text") or "")[:MAX_TEXT]}
            raise RemoteFailed(f"{self._feed.target.netloc} hung up without a transcript")

        made: Action = getattr(transcribe, ACTION)
        return made

    def _speaking(self) -> Action:
        @action(f"{self.name}.speak", timeout=self._timeout + 1, idempotent=True)
        async def speak(text: str, voice: str = "") -> dict[str, Any]:
            """*text* as sound: ``{"pcm", "rate"}``, signed 16-bit samples of one channel."""
            if len(text) > MAX_TEXT:
                raise ActionFailed(
                    f"{len(text):,} characters are more than the {MAX_TEXT:,} that are spoken at a time"
                )
            asked = Message("synthesize", {"text": text, **({"voice": {"name": voice}} if voice else {})})
            async with self._answers(iter([asked])) as answers:
                return await self._gathered(answers)

        made: Action = getattr(speak, ACTION)
        return made

    async def _gathered(self, answers: AsyncIterator[Message]) -> dict[str, Any]:
        pcm, converter, rate = bytearray(), None, 0
        async for message in answers:
            if message.kind == "audio-stop":
                return {"pcm": bytes(pcm), "rate": rate}
            if message.kind == "audio-chunk":
                converter = converter or _converter(message)
                rate = converter.rate
                pcm += converter.feed(message.payload)
                if len(pcm) > self._limit:
                    raise RemoteTooLarge(f"the sound is over the limit of {self._limit:,} bytes")
        raise RemoteFailed(f"{self._feed.target.netloc} hung up before the end of the sound")

    @asynccontextmanager
    async def _answers(self, asked: Iterator[Message]) -> AsyncIterator[AsyncIterator[Message]]:
        target, limit = self._feed.target, asyncio.timeout(self._timeout)
        try:
            async with limit:
                socket = await open_socket(target, await pin(target, self._feed.rules), 10.0)
                reader, writer = await asyncio.open_connection(sock=socket)
                try:
                    for message in asked:
                        writer.write(encode(message))
                        await writer.drain()
                    yield _messages(reader)
                finally:
                    writer.close()
        except OSError as error:
            why = f"took over {self._timeout} s" if limit.expired() else f"failed: {type(error).__name__}"
            raise RemoteFailed(f"{target.netloc} {why}") from None


def sound_messages(pcm: bytes, rate: int, asked: dict[str, Any]) -> Iterator[Message]:
    """What transcribing *pcm* is asked with."""
    form = {"rate": rate, "width": 2, "channels": 1}
    yield Message("transcribe", asked)
    yield Message("audio-start", form)
    for start in range(0, len(pcm), PIECE):
        yield Message("audio-chunk", form, pcm[start : start + PIECE])
    yield Message("audio-stop", {})


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    decoder = Decoder()
    while content := await reader.read(65_536):
        for message in decoder.feed(content):
            if message.kind == "error":
                raise RemoteFailed(f"the service says: {message.data.get('text')!r:.200}")
            yield message


def _converter(message: Message) -> Converter:
    values = [message.data.get(name) for name in ("rate", "channels", "width")]
    if not all(type(value) is int for value in values):
        raise RemoteFailed(f"sound has the form {values!r:.80}", retryable=False)
    samples = Samples(*values)  # type: ignore[arg-type]
    try:
        return Converter(samples, samples.rate)
    except (ConfigError, MissingExtra) as error:
        raise RemoteFailed(str(error), retryable=False) from None


def wyoming_service(
    name: str, home: Path | None = None, *, url: str, private: bool = False, timeout: float = 60.0
) -> WyomingService:
    """``use = "wyoming_service"``: the service at *url* (``tcp://host:port``). Raises ConfigError."""
    feed = make_feed(url, ("tcp",), {"private": private}, home=home)
    return WyomingService(name, feed, check_range("timeout", timeout, 0.1, 3600))
