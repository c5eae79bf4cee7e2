"""Streams: bounded for who reads slowly, ended for who leaves, drained when the runtime ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from loom import Loom
from loom.models import ModelReply, ModelRequest
from loom.web import Gateway, Settings
from tests.web.conftest import Capable, client_of
from tests.web.raw import CHAT, HI, Raw

PIECE = "x" * 10_000


class Endless(Capable):
    """A stream without end; counts the pieces that were taken from it, and whether it was closed."""

    def __init__(self, name: str = "endless", limit: int = 1 << 40) -> None:
        super().__init__("chat", [], name=name)
        self.given = 0
        self.closed_early = asyncio.Event()
        self._limit = limit

    async def infer(self, request: ModelRequest) -> ModelReply:
        self.requests.append(request)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.closed_early.set()
            raise
        raise AssertionError

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        self.requests.append(request)
        try:
            while self.given < self._limit:
                self.given += 1
                yield {"text": PIECE}
                await asyncio.sleep(0)
        except (GeneratorExit, asyncio.CancelledError):
            self.closed_early.set()
            raise
        yield {"text": "", "done": True, "tokens_in": 1, "tokens_out": self.given, "stopped": "end"}


def body(stream: bool) -> bytes:
    return json.dumps({**HI, "stream": stream}).encode()


async def quiet(backend: Endless) -> int:
    """How many pieces were taken, when no more are."""
    before = -1
    while backend.given != before:
        before = backend.given
        await asyncio.sleep(0.05)
    return before


async def test_what_a_slow_client_does_not_read_is_not_fetched(serve: Any) -> None:
    backend = Endless()
    async with serve(backend) as gateway, Raw(gateway) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        raw.request("POST", CHAT, body(True))
        stopped_at = await quiet(backend)
        # what both sockets and one write buffer hold: the rest waits in the model
        assert stopped_at * len(PIECE) < 12_000_000
        assert gateway.statistics()["running"] == 1


async def test_a_client_that_reads_nothing_for_too_long_is_cut_off(serve: Any) -> None:
    backend = Endless()
    async with serve(backend, patience=0.2) as gateway, Raw(gateway) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        raw.request("POST", CHAT, body(True))
        await asyncio.wait_for(backend.closed_early.wait(), 20)
        while gateway.statistics()["running"]:
            await asyncio.sleep(0)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_ends_the_work_for_it(serve: Any, stream: bool) -> None:
    backend = Endless()
    async with serve(backend) as gateway:
        async with Raw(gateway) as raw:
            raw.request("POST", CHAT, body(stream))
            if stream:
                await raw.reader.readuntil(PIECE.encode())
            while not backend.requests:
                await asyncio.sleep(0)
        await asyncio.wait_for(backend.closed_early.wait(), 20)
        while gateway.statistics()["left"] == 0:
            await asyncio.sleep(0)
        assert gateway.statistics() == {"running": 0, "served": 0, "refused": 0, "left": 1}


async def test_a_client_that_leaves_in_the_middle_has_an_outcome_and_a_cost() -> None:
    from loom.models import Price

    backend = Endless("billed")
    backend.location, backend.price = "cloud", Price(1.0, 1_000_000.0)  # type: ignore[attr-defined]
    async with Loom(watchdog=None) as loom:
        loom.add_model(backend)
        outcomes = loom.bus.subscribe("loom.router.outcome")
        async with Gateway(loom, Settings(port=0)) as gateway:
            async with Raw(gateway) as raw:
                raw.request("POST", CHAT, body(True))
                await raw.reader.readuntil(PIECE.encode())
            outcome = (await anext(aiter(outcomes))).payload
    assert outcome["outcome"] == "cancelled"
    assert outcome["cost"] > 0


async def test_32_streams_at_once_are_all_whole(serve: Any) -> None:
    async def one(client: Any) -> int:
        stream = await client.chat.completions.create(model="auto", messages=HI["messages"], stream=True)
        return sum([len(chunk.choices[0].delta.content or "") async for chunk in stream if chunk.choices])

    async with serve(Endless(limit=20 * 32)) as gateway, client_of(gateway) as client:
        lengths = await asyncio.gather(*(one(client) for _ in range(32)))
    assert sum(lengths) == 20 * 32 * len(PIECE)


async def test_events_are_numbered_and_end_with_done(serve: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        raw.request("POST", CHAT, body(True), "Connection: close")
        status, headers = await raw.head()
        text = (await raw.reader.read()).decode()
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert "data: [DONE]" in text
    last = json.loads([line for line in text.splitlines() if line.startswith('data: {"id"')][-1][6:])
    assert set(last["loom"]) == {"decision", "route", "backend", "cost"}
    assert last["loom"]["backend"] == "fake"
    assert last["loom"]["decision"]


async def test_the_runtime_drains_the_gateway(tmp_path: Any) -> None:
    backend = Endless(limit=50)
    loom = Loom(watchdog=None).add_model(backend)
    gateway = Gateway(loom, Settings(port=0), tmp_path)
    loom.add(gateway)
    await loom.start()
    async with Raw(gateway) as one, Raw(gateway) as two:
        assert (await two.get("/healthz"))[0] == 200
        one.request("POST", CHAT, body(True), "Connection: close")
        await one.reader.readuntil(PIECE.encode())
        stopping = asyncio.create_task(loom.stop())
        assert b"[DONE]" in await one.reader.read()  # what runs is finished
        await stopping
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(two._port))


async def test_a_muted_gateway_takes_nothing(tmp_path: Any) -> None:
    async with Loom(watchdog=None) as loom:
        loom.add_model(Capable("chat", ["yes"]))
        gateway = Gateway(loom, Settings(port=0), tmp_path)
        loom.add(gateway)
        await gateway.start()
        async with Raw(gateway) as raw:
            await loom.mute("gateway")
            status, headers, answer = await raw.post(CHAT, HI)
            assert (status, headers["retry-after"], answer["error"]["code"]) == (503, "5", "closing")
            await loom.unmute("gateway")
            await asyncio.sleep(0.01)
            assert (await raw.post(CHAT, HI))[0] == 200
