"""A service for speech against the real package's server, and against one that breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest

from loom.adapters._feed import make_feed
from loom.adapters.wyoming_service import WyomingService, wyoming_service
from loom.errors import ActionFailed, ConfigError, RemoteFailed, RemoteTooLarge
from tests.adapters.fault_server import project
from tests.adapters.wyoming_peer import (
    AsyncEventHandler,
    AsyncTcpServer,
    AudioChunk,
    AudioStart,
    AudioStop,
    Event,
    Synthesize,
    Transcribe,
    Transcript,
)

assert numpy
TONE = bytes(range(256)) * 100


class Speech(AsyncEventHandler):
    """Transcribes sound as its length, and speaks a text as its bytes, twice: left and right."""

    heard = b""
    language = None

    async def handle_event(self, event: Event) -> bool:
        if Transcribe.is_type(event.type):
            self.language = Transcribe.from_event(event).language
        elif AudioChunk.is_type(event.type):
            self.heard += AudioChunk.from_event(event).audio
        elif AudioStop.is_type(event.type):
            await self.write_event(Transcript(f"{len(self.heard)} {self.language}").event())
        elif Synthesize.is_type(event.type):
            form: dict[str, Any] = {"rate": 22_050, "width": 2, "channels": 2}
            sound = Synthesize.from_event(event).text.encode()
            await self.write_event(AudioStart(**form).event())
            stereo = b"".join(sound[n : n + 2] * 2 for n in range(0, len(sound), 2))
            await self.write_event(AudioChunk(**form, audio=stereo).event())
            await self.write_event(AudioStop().event())
        return True


@asynccontextmanager
async def real() -> AsyncIterator[int]:
    server = AsyncTcpServer("127.0.0.1", 0)
    await server.start(Speech)
    inner = server._server
    yield inner.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    await server.stop()
    inner.close()  # type: ignore[union-attr]


@asynccontextmanager
async def broken(answer: bytes, hang: bool = False) -> AsyncIterator[int]:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await writer.drain()
        if hang:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    over.set()
    server.close()


def acts(port: int, **settings: Any) -> dict[str, Callable[..., Awaitable[Any]]]:
    feed = make_feed(f"tcp://127.0.0.1:{port}", ("tcp",), {})
    return {
        a.name.partition(".")[2]: a.function for a in WyomingService("speech", feed, **settings).actions()
    }


async def test_sound_becomes_text_and_text_sound() -> None:
    async with real() as port:
        act = acts(port)
        assert await act["transcribe"](pcm=TONE, language="en") == {"text": f"{len(TONE)} en"}
        assert await act["transcribe"](pcm=b"") == {"text": "0 None"}
        assert await act["speak"](text="even") == {"pcm": b"even", "rate": 22_050}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"junk\n",
        b'{"type": "error"}\n',
        b'{"type":"audio-chunk","payload_length":2}\nxx',
        b'{"type":"audio-stop"',
        b"x" * 70_000,
    ],
)
async def test_a_service_that_breaks_is_a_typed_error(answer: bytes) -> None:
    for name, arguments in (("transcribe", {"pcm": b"\0\0"}), ("speak", {"text": "x"})):
        async with broken(answer) as port:
            with pytest.raises(RemoteFailed):
                await acts(port)[name](**arguments)


async def test_time_and_size_are_limited() -> None:
    async with broken(b"", hang=True) as port:
        with pytest.raises(RemoteFailed, match=r"took over 0\.2 s"):
            await acts(port, timeout=0.2)["speak"](text="x")
    async with real() as port:
        with pytest.raises(RemoteTooLarge):
            await acts(port, limit=10)["speak"](text="x" * 100)
        for name, arguments in (
            ("transcribe", {"pcm": b"\0"}),
            ("transcribe", {"pcm": b"\0\0", "rate": 1}),
            ("speak", {"text": "x" * 10_001}),
        ):
            with pytest.raises(ActionFailed):
                await acts(port)[name](**arguments)


async def test_one_block_of_a_project_file_asks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        wyoming_service("speech", url="http://x")
    async with real() as port:
        text = f'[actions.speech]\nuse = "wyoming_service"\nurl = "tcp://127.0.0.1:{port}"\n'
        loom = await project(tmp_path, text)
        async with loom:
            assert (await loom.call("speech.transcribe", pcm=b"\0\0"))["text"] == "2 None"
