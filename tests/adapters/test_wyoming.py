"""Satellites against the real package: as clients that attach, and as servers that Loom calls."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy
import pytest
import soxr

from loom import Agent, on
from loom.adapters._feed import make_feed
from loom.adapters._retrying import Pauses
from loom.adapters._wyoming_session import Hearing
from loom.adapters.audio import Audio
from loom.adapters.resample import Samples
from loom.adapters.wyoming import MOST, Calling, Listening, Satellites, WyomingSink, wyoming, wyoming_sink
from loom.errors import ActionFailed, ConfigError, RemoteFailed
from loom.testing import Probe
from tests.adapters.fault_server import project
from tests.adapters.heard import Heard, hearing
from tests.adapters.wyoming_peer import (
    AsyncEventHandler,
    AsyncTcpClient,
    AsyncTcpServer,
    AudioChunk,
    AudioStart,
    AudioStop,
    Describe,
    Detect,
    Detection,
    Event,
    Info,
    Ping,
    Pong,
    Synthesize,
    Transcribe,
    Transcript,
)

assert numpy
assert soxr
TONE = b"".join(struct.pack("<h", round(9000 * math.sin(n / 5))) for n in range(16_000))
FORM = {"rate": 16_000, "width": 2, "channels": 1}


@asynccontextmanager
async def listening(peers: str = "127.0.0.0/8") -> AsyncIterator[tuple[Listening, Heard, WyomingSink]]:
    satellites = Satellites()
    source = Listening("kitchen", "mic.kitchen", satellites, ("127.0.0.1", 0), [ip_network(peers)])
    async with hearing(source) as heard:
        await heard.until(lambda h: h.links)
        yield source, heard, WyomingSink("satellite", satellites)


@asynccontextmanager
async def attached(source: Listening) -> AsyncIterator[AsyncTcpClient]:
    client = AsyncTcpClient("127.0.0.1", source.port)
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


def acts(sink: WyomingSink) -> dict[str, Any]:
    return {action.name.partition(".")[2]: action.function for action in sink.actions()}


async def say(client: AsyncTcpClient, pcm: bytes, form: dict[str, int] = FORM, step: int = 2048) -> None:
    await client.write_event(AudioStart(**form).event())
    for start in range(0, len(pcm), step):
        await client.write_event(AudioChunk(**form, audio=pcm[start : start + step]).event())
    await client.write_event(AudioStop().event())


def ended(heard: Heard, times: int = 1) -> bool:
    return sum(isinstance(p, Audio) and p.last for p in heard.payloads) >= times


def sounds(heard: Heard) -> list[Audio]:
    return [payload for payload in heard.payloads if isinstance(payload, Audio)]


async def test_sound_becomes_chunks_of_80_ms_with_an_end() -> None:
    async with listening() as (source, heard, _), attached(source) as client:
        await say(client, TONE)
        await heard.until(ended)
        await say(client, TONE[:100])
        await heard.until(lambda h: ended(h, 2))
    chunks, second = sounds(heard)[:-1], sounds(heard)[-1]
    assert b"".join(c.pcm for c in chunks) == TONE
    assert {len(c.pcm) for c in chunks[:-1]} == {2560}
    assert [c.number for c in chunks] == list(range(len(chunks)))
    assert [c.last for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(math.isclose(c.at, c.number * 0.08) for c in chunks)
    assert (second.number, second.pcm, second.last) == (0, TONE[:100], True)
    assert heard.told[0][0] == "mic.kitchen.1"
    assert heard.fields[0]["metadata"] == {"satellite": "1"}


async def test_other_forms_of_sound_are_converted() -> None:
    stereo = b"".join(TONE[n : n + 2] * 2 for n in range(0, len(TONE), 2))
    async with listening() as (source, heard, _), attached(source) as client:
        await say(client, stereo, {"rate": 32_000, "width": 2, "channels": 2})
        await heard.until(ended)
    assert abs(sum(len(c.pcm) for c in sounds(heard)) - len(TONE) // 2) < 200
    assert {(c.rate, c.channels, c.width) for c in sounds(heard)} == {(16_000, 1, 2)}


async def test_a_satellite_that_goes_away_in_mid_stream_leaves_an_end() -> None:
    async with listening() as (source, heard, _):
        async with attached(source) as client:
            await client.write_event(AudioChunk(**FORM, audio=TONE[:6000]).event())
            await heard.until(lambda h: h.told)
        await heard.until(ended)
        assert source.statistics()["now"] == 0
    assert b"".join(c.pcm for c in sounds(heard)) == TONE[:6000]


async def test_requests_are_events_and_answers_go_back() -> None:
    async with listening() as (source, heard, sink), attached(source) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(Detect(names=["hey_loom"]).event())
        await client.write_event(Synthesize("hello").event())
        await heard.until(lambda h: len(h.told) == 3)
        await acts(sink)["transcript"](text="turn on the light")
        await acts(sink)["detection"](phrase="hey_loom", satellite="1")
        told = [await client.read_event() for _ in range(2)]
    assert [topic for topic, _ in heard.told] == [
        f"satellite.kitchen.{k}" for k in ("transcribe", "detect", "synthesize")
    ]
    assert heard.payloads[2]["text"] == "hello"
    assert {p["satellite"] for p in heard.payloads} == {"1"}
    assert told[0] is not None
    assert told[1] is not None
    assert Transcript.from_event(told[0]).text == "turn on the light"
    assert Detection.from_event(told[1]).name == "hey_loom"


async def test_it_says_what_it_is() -> None:
    async with listening() as (source, _, _), attached(source) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        info = Info.from_event(event)
        await client.write_event(Ping("x").event())
        pong = await client.read_event()
        assert pong is not None
    assert Pong.from_event(pong).text == "x"
    assert (info.asr[0].models[0].name, info.tts[0].voices[0].name, info.wake[0].models[0].name) == (
        "loom",
    ) * 3


async def heard_by(client: AsyncTcpClient, until: str = "audio-stop") -> list[Event]:
    events: list[Event] = []
    while not events or events[-1].type != until:
        event = await asyncio.wait_for(client.read_event(), 10)
        assert event is not None
        events.append(event)
    return events


async def silence(client: AsyncTcpClient) -> bool:
    """Return when nothing has come for half a second."""
    while True:
        try:
            await asyncio.wait_for(client.read_event(), 0.5)
        except TimeoutError:
            return True


async def test_a_spoken_answer_is_streamed() -> None:
    async with listening() as (source, _, sink), attached(source) as client:
        await client.write_event(Describe().event())
        await client.read_event()
        played = asyncio.create_task(acts(sink)["play"](pcm=TONE[:9600], rate=16_000))
        events = await heard_by(client)
        await played
    assert [events[0].type, events[-1].type] == ["audio-start", "audio-stop"]
    assert b"".join(e.payload or b"" for e in events) == TONE[:9600]
    assert AudioStart.from_event(events[0]).rate == 16_000


async def test_stop_ends_it_hold_freezes_it_and_cancelling_it_says_so() -> None:
    async with listening() as (source, _, sink), attached(source) as client:
        await client.write_event(Describe().event())
        await client.read_event()
        act = acts(sink)
        for end in ("stop", "cancel", "hold"):
            task = asyncio.create_task(act["play"](pcm=TONE * 30, rate=16_000))
            while (await client.read_event()).type != "audio-chunk":  # type: ignore[union-attr]
                pass
            if end == "stop":
                await act["stop"]()
                await task
            elif end == "cancel":
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                await act["hold"]()
                assert await silence(client)
                await act["resume"]()
                assert (await asyncio.wait_for(client.read_event(), 5)).type == "audio-chunk"  # type: ignore[union-attr]
                await act["stop"]()
                await task
            await heard_by(client)


async def test_stop_also_ends_what_waits_and_what_is_held() -> None:
    async with listening() as (source, _, sink), attached(source) as client:
        await client.write_event(Describe().event())
        await client.read_event()
        act = acts(sink)
        await act["hold"]()
        plays = [asyncio.create_task(act["play"](pcm=TONE, rate=16_000)) for _ in range(3)]
        await asyncio.sleep(0.05)
        await act["stop"]()
        await asyncio.wait_for(asyncio.gather(*plays), 5)
        await asyncio.wait_for(act["play"](pcm=TONE[:100], rate=16_000), 5)
        events = await heard_by(client)
        events += await heard_by(client)
    assert b"".join(e.payload or b"" for e in events) == TONE[:100]


async def test_strangers_are_hung_up_on_and_the_others_stay() -> None:
    async with listening() as (source, heard, _), attached(source) as good:
        for junk in (
            b"junk\n",
            b'{"type":"audio-chunk","payload_length":99999999}\n',
            b'{"type":"audio-start"}\n',
            b"x" * 70_000,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(junk)
            assert b'"type": "error"' in await asyncio.wait_for(reader.read(), 10)
            writer.close()
        bad = {"rate": 10**9, "width": 2, "channels": 1}
        async with attached(source) as client:
            await client.write_event(AudioChunk(**bad, audio=b"\0\0").event())
            event = await client.read_event()
            assert event is not None
            assert event.type == "error"
        await say(good, TONE[:100])
        await heard.until(ended)
        assert source.statistics()["broken"] == 5


async def test_only_so_many_may_attach_and_only_from_where_they_may() -> None:
    async with listening() as (source, heard, _):
        kept = [await asyncio.open_connection("127.0.0.1", source.port) for _ in range(MOST)]
        await heard.until(lambda _: source.statistics()["now"] == MOST)
        reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        for _, each in [*kept, (reader, writer)]:
            each.close()
        await heard.until(lambda _: source.statistics()["now"] == 0)
    async with listening("192.0.2.0/24") as (source, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert source.statistics()["refused"] == 1


async def test_without_a_satellite_an_answer_fails_in_words() -> None:
    act = acts(WyomingSink("satellite", Satellites()))
    with pytest.raises(ActionFailed, match="there are none"):
        await act["play"](pcm=b"\0\0", rate=16_000)
    for arguments in ({"pcm": b"\0", "rate": 16_000}, {"pcm": b"", "rate": 1}):
        with pytest.raises(ActionFailed, match="16-bit"):
            await act["play"](**arguments)


def test_a_converter_that_is_missing_or_a_form_that_is_none_is_told() -> None:
    told: list[Audio] = []
    hearing_ = Hearing(lambda audio: told.append(audio) is None)
    with pytest.raises(RemoteFailed, match="samples a second"):
        hearing_.chunk(Samples(1), b"")
    hearing_.end()
    assert told == []


class Satellite(AsyncEventHandler):
    """A satellite as Home Assistant knows them: it waits to be called, then streams."""

    said: list[str]

    async def handle_event(self, event: Event) -> bool:
        self.said.append(event.type)
        if event.type == "run-satellite":
            await self.write_event(AudioChunk(**FORM, audio=TONE[:8000]).event())
            await self.write_event(AudioStop().event())
        return event.type != "audio-stop"


async def test_loom_calls_a_satellite_and_again_when_it_hangs_up() -> None:
    said: list[str] = []

    def make(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Satellite:
        made = Satellite(reader, writer)
        made.said = said
        return made

    server = AsyncTcpServer("127.0.0.1", 0)
    await server.start(make)
    port = server._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    satellites = Satellites()
    feed = make_feed(f"tcp://127.0.0.1:{port}", ("tcp",), {})
    source = Calling("hall", "mic.hall", satellites, feed, Pauses(0.02, 0.1))
    async with hearing(source) as heard:
        await heard.until(ended)
        await acts(WyomingSink("satellite", satellites))["play"](pcm=b"\0\0" * 10, rate=16_000)
        await heard.until(lambda h: ended(h, 2))
    await server.stop()
    server._server.close()  # type: ignore[union-attr]
    assert heard.links[:3] == ["found", "lost: the peer closed the connection", "found"]
    assert said[:4] == ["run-satellite", "audio-start", "audio-chunk", "audio-stop"]


def test_what_is_wrong_in_the_configuration_is_told_at_the_start() -> None:
    for settings in (
        {}, {"listen": "127.0.0.1:1", "connect": "tcp://x"}, {"listen": "0.0.0.0:10700"}, {"listen": "192.168.1.5"},
        {"listen": "a b"}, {"listen": "127.0.0.1", "peers": ["x"]}, {"connect": "http://x"},
        {"listen": "house.local:1"},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            wyoming("w", topic="mic.w", **settings)  # type: ignore[arg-type]
    assert isinstance(
        wyoming("w", topic="mic.w", listen="0.0.0.0:10700", peers=["192.168.1.0/24"]), Listening
    )
    assert isinstance(wyoming("w", topic="mic.w", listen="[::1]"), Listening)


def test_source_and_sink_of_one_project_share_their_satellites(tmp_path: Path) -> None:
    sink = wyoming_sink("speaker", tmp_path, source="kitchen")
    source = wyoming("kitchen", tmp_path, topic="mic.kitchen", listen="127.0.0.1")
    assert sink.satellites is source.satellites
    assert wyoming("hall", tmp_path, topic="mic.hall", listen="127.0.0.1").satellites is not source.satellites


async def test_two_blocks_of_a_project_file_hear_and_answer(tmp_path: Path) -> None:
    class Echo(Agent):
        @on("mic.kitchen.*")
        async def hear(self, event: Any, ctx: Any) -> None:
            if event.payload.last:
                ctx.act("satellite.transcript", text="heard", satellite=event.metadata["satellite"])

    from tests.adapters.brokers import free_port

    port = free_port()
    text = f'[sources.kitchen]\nuse = "wyoming"\nlisten = "127.0.0.1:{port}"\ntopic = "mic.kitchen"\n'
    text += '[actions.satellite]\nuse = "wyoming"\nsource = "kitchen"\n'
    loom = await project(tmp_path, text)
    loom.add(Echo)
    probe = Probe(loom.bus, "mic.>")
    async with loom:
        await asyncio.sleep(0.05)
        client = AsyncTcpClient("127.0.0.1", port)
        await client.connect()
        await say(client, TONE[:6000])
        event = await asyncio.wait_for(client.read_event(), 20)
        await client.disconnect()
    assert event is not None
    assert Transcript.from_event(event).text == "heard"
    assert probe.payloads[-1].last
