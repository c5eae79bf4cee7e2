"""A stream of events: picked up behind the last id, however it breaks."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._feed import make_feed
from loom.adapters._http_client import Http, Limits
from loom.adapters._retrying import Pauses
from loom.adapters.sse import ServerSentEvents, sse
from loom.errors import ConfigError
from loom.testing import Probe
from tests.adapters.fault_server import Asked, FaultServer, project, reply, says
from tests.adapters.heard import Heard, hearing

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n"


def stream(server: FaultServer, form: str = "text", limit: int = 1000) -> ServerSentEvents:
    feed = make_feed(server.url + "/events", ("http",), {})
    http = Http(feed.rules, limits=Limits(idle=0.5, response=limit))
    return ServerSentEvents("news", "news.item", http, feed.target.url, form, Pauses(0.02, 0.1))


async def test_messages_come_as_they_are_sent_and_after_a_break_the_rest() -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        begin = int(asked.headers.get("last-event-id", "0")) + 1
        writer.write(HEAD)
        for number in range(begin, begin + 2):
            for byte in f"id: {number}\nevent: tick\ndata: n{number}\n\n".encode():
                writer.write(bytes([byte]))
                await writer.drain()
        writer.write(b"data: half a message")

    async with FaultServer(behave) as server, hearing(stream(server)) as heard:
        await heard.until(lambda h: len(h.told) >= 6)
    assert heard.told[:6] == [
        ("news.item", {"event": "tick", "data": f"n{n}", "id": str(n)}) for n in range(1, 7)
    ]
    assert heard.links[:3] == ["found", "lost: the peer closed the connection", "found"]
    assert {str(fields["label"]) for fields in heard.fields} == {"public, untrusted"}
    assert server.requests[1].headers["accept"] == "text/event-stream"


async def test_what_is_not_of_the_format_is_counted_and_left_out() -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b'data: {"a": 1}\n\ndata: {\n\ndata: NaN\n\ndata: 2\n\n')
        await asyncio.sleep(60)

    async with FaultServer(behave) as server:
        source = stream(server, "json")
        async with hearing(source) as heard:
            await heard.until(lambda h: len(h.told) == 2)
    assert [payload["data"] for payload in heard.payloads] == [{"a": 1}, 2]
    assert source.statistics()["unreadable"] == 2


@pytest.mark.parametrize(
    "answer",
    [
        reply(500),
        reply(429, retry_after="0"),
        reply(200, "data: x\n\n", content_type="text/html"),
        reply(200, "data: x\n\n"),
        b"junk\r\n\r\n",
        b"",
        HEAD + b"data: " + b"x" * 2000,
        HEAD.replace(b"\r\n\r\n", b"\r\ncontent-length: 100\r\n\r\n") + b"data",
        HEAD,
    ],
)
async def test_trouble_is_told_and_ends(answer: bytes) -> None:
    async with FaultServer(says(answer)) as server, hearing(stream(server)) as heard:
        await heard.until(lambda h: any(link.startswith("lost") for link in h.links))
        server.behaviour = says(HEAD + b"data: x\n\n")
        await heard.until(lambda h: h.told)


async def test_a_server_that_falls_silent_is_left() -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        await asyncio.sleep(60)

    async with FaultServer(silent) as server, hearing(stream(server)) as heard:
        await heard.until(lambda h: len(server.requests) > 1)
    assert heard.links[1] == f"lost: {server.url}/events failed: ReadTimeout"


async def test_no_content_means_no_more() -> None:
    async with FaultServer(says(reply(204))) as server:
        await asyncio.wait_for(stream(server).run(Heard()), 10)
    assert len(server.requests) == 1


async def test_the_server_says_how_long_to_wait() -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"retry: 60000\n\n")

    async with FaultServer(behave) as server, hearing(stream(server)) as heard:
        await heard.until(lambda h: "lost: the peer closed the connection" in h.links)
        await asyncio.sleep(0.2)
        assert len(server.requests) == 1


async def test_a_bus_without_room_makes_the_server_wait() -> None:
    """Nothing is gathered in between: what is not read stays in the sockets, which are bounded."""
    sent = 0

    async def flood(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(HEAD)
        while True:
            writer.write(b"data: " + b"x" * 900 + b"\n\n")
            await writer.drain()
            sent += 1

    async with FaultServer(flood) as server, hearing(stream(server)) as heard:
        await heard.until(lambda h: h.told)
        heard.room.clear()
        stuck = -1
        while stuck != sent:
            stuck = sent
            await asyncio.sleep(0.2)
        before = len(heard.told)
        heard.room.set()
        await heard.until(lambda h: len(h.told) > before + 10)


def test_what_is_wrong_in_the_configuration_is_told_at_the_start() -> None:
    for settings in ({"idle": 0}, {"format": "xml"}, {"url": "http://a b"}, {"limit": 0}):
        with pytest.raises(ConfigError):
            sse("p", **{"url": "http://x.org/", "topic": "t", **settings})  # type: ignore[arg-type]


async def test_one_block_of_a_project_file_follows(tmp_path: Path) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"data: hello\n\n")
        await asyncio.sleep(60)

    async with FaultServer(behave) as server:
        text = f'[sources.news]\nuse = "sse"\nurl = "{server.url}/e"\ntopic = "news.item"\n'
        loom: Any = await project(tmp_path, text)
        probe = Probe(loom.bus, "news.>")
        async with loom:
            events = await probe.wait(1)
        assert events[0].payload == {"event": "message", "data": "hello", "id": ""}
