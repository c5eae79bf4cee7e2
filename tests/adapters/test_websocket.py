"""A WebSocket client against the library's own server, and against one that breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from loom.adapters._feed import make_feed
from loom.adapters._retrying import Pauses
from loom.adapters.websocket import WebSocket, WebSocketOptions, _websockets, websocket
from loom.errors import ConfigError
from loom.testing import Probe
from tests.adapters.fault_server import FaultServer, project, reply, says, server_context
from tests.adapters.heard import hearing

_websockets()
Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def peer(handler: Handler, **options: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def follow(url: str, **options: Any) -> WebSocket:
    feed = make_feed(url, ("ws", "wss"), {}, secrets=options.pop("secrets", None))
    return WebSocket("ticker", "ticks", feed, WebSocketOptions(pauses=Pauses(0.02, 0.1), **options))


async def test_texts_json_and_bytes_come_as_what_they_are() -> None:
    async def handler(connection: ServerConnection) -> None:
        for message in ("hello", '{"a": 1}', b"\x00\x01", "[1"):
            await connection.send(message)
        await connection.wait_closed()

    for form, told in (("auto", ["hello", {"a": 1}, b"\0\1", "[1"]), ("json", [{"a": 1}, b"\0\1"])):
        async with peer(handler) as url:
            source = follow(url, form=form)
            async with hearing(source) as heard:
                counts = source.statistics
                await heard.until(lambda _, c=counts: c()["messages"] + c()["unreadable"] >= 4)  # type: ignore[operator]
        assert heard.payloads == told
        assert {str(fields["label"]) for fields in heard.fields} == {"public, untrusted"}


async def test_it_says_what_it_was_told_to_with_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2_WS", "s3cret")
    seen: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(
            (connection.request.path, connection.request.headers["Authorization"], await connection.recv())
        )
        await connection.send("ok")

    secrets = {"headers": {"Authorization": "Bearer env:E2_WS"}, "query": {"token": "env:E2_WS"}}
    async with (
        peer(handler) as url,
        hearing(follow(url + "/p?x=1", send=["subscribe"], secrets=secrets)) as heard,
    ):
        await heard.until(lambda h: h.told)
    assert seen[0] == ("/p?x=1&token=s3cret", "Bearer s3cret", "subscribe")
    assert not any("s3cret" in link for link in heard.links)


async def test_it_comes_back_after_a_close_and_tells_the_code() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send("x")
        await connection.close(4001)

    async with peer(handler) as url, hearing(follow(url)) as heard:
        await heard.until(lambda h: len(h.told) >= 3)
    assert heard.links[:3] == ["found", f"lost: {url}/ closed with code 4001", "found"]


async def test_a_message_over_the_limit_ends_the_connection_not_the_source() -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send("x" * 1001)
        await connection.wait_closed()

    async with peer(handler) as url, hearing(follow(url, limit=1000)) as heard:
        await heard.until(lambda h: any("1009" in link for link in h.links))
    assert heard.told == []


async def test_small_messages_that_would_become_large_are_not_agreed_upon() -> None:
    agreed: list[str] = []

    async def handler(connection: ServerConnection) -> None:
        agreed.append(str(connection.protocol.extensions))
        await connection.send("x")

    async with peer(handler) as url, hearing(follow(url)) as heard:
        await heard.until(lambda h: h.told)
    assert agreed[0] == "[]"


async def test_tls_is_checked_against_the_name_though_the_address_is_connected_to(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def handler(connection: ServerConnection) -> None:
        await connection.send("x")

    context = await asyncio.to_thread(server_context, tmp_path)
    async with peer(handler, ssl=context) as url:
        port = url.rpartition(":")[2]
        for host, ca, link in (
            ("broker.test", "cert.pem", "found"),
            ("other.test", "cert.pem", "lost"),
            ("broker.test", None, "lost"),
        ):
            feed = make_feed(
                f"wss://{host}:{port}", ("wss",), {"private": True}, home=tmp_path, secrets={"ca": ca}
            )
            source = WebSocket(
                "ticker", "ticks", feed, WebSocketOptions(pauses=Pauses(0.05)), resolve=resolve
            )
            async with hearing(source) as heard:
                await heard.until(lambda h: h.links)
            assert heard.links[0].startswith(link), (host, ca, heard.links)


async def test_a_peer_that_no_longer_answers_is_noticed() -> None:
    over = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await over.wait()
        connection.transport.abort()

    async with peer(handler) as url:
        async with hearing(follow(url, ping=0.2)) as heard:
            await heard.until(lambda h: any(link.startswith("lost") for link in h.links))
        over.set()


@pytest.mark.parametrize(
    "answer", [reply(403), reply(302, location="ws://127.0.0.1:9/"), b"junk\r\n\r\n", b"", reply(200)]
)
async def test_no_handshake_no_connection_and_redirects_are_refused(answer: bytes) -> None:
    async with FaultServer(says(answer)) as server:
        async with hearing(follow(server.url.replace("http", "ws"))) as heard:
            await heard.until(lambda h: len(h.links) > 1)
    assert all(link.startswith("lost: ") for link in heard.links)


def test_what_is_wrong_in_the_configuration_is_told_at_the_start() -> None:
    for settings in (
        {"url": "http://x.org"},
        {"format": "xml"},
        {"limit": 0},
        {"ping": 0},
        {"send": ["env:E2_UNSET"]},
    ):
        with pytest.raises(ConfigError):
            websocket("w", **{"url": "ws://x.org/", "topic": "t", **settings})  # type: ignore[arg-type]


async def test_one_block_of_a_project_file_follows(tmp_path: Path) -> None:
    async def handler(connection: ServerConnection) -> None:
        await connection.send('{"price": 3}')
        await connection.wait_closed()

    async with peer(handler) as url:
        text = f'[sources.ticker]\nuse = "websocket"\nurl = "{url}"\ntopic = "ticks"\n'
        loom = await project(tmp_path, text)
        probe = Probe(loom.bus, "ticks")
        async with loom:
            assert (await probe.wait(1))[0].payload == {"price": 3}
