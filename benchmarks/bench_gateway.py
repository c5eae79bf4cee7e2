"""What the gateway adds to a request: a fast server asked directly, and through the gateway, by the same client.

All four live in one process and one event loop: the client (httpx, its connections kept alive), the gateway, Loom's
client of OpenAI-compatible servers, and a server that answers at once. The order of the two ways alternates.
"""

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks._harness import Ratio, bench
from loom import Loom
from loom.adapters.openai import openai
from loom.web import Gateway, Settings

LONG = [{"role": "user", "content": "Count to five hundred."}]
WARM, ROUNDS = 50, 400
STREAMS, PIECES = 32, 500
PIECE = "word " * 20
ASKED = {
    "model": "fast",
    "messages": [{"role": "user", "content": "What is the capital of Norway?"}],
    "max_tokens": 20,
}


class FastServer(asyncio.Protocol):
    """An OpenAI-compatible server that thinks of nothing: every answer is ready made."""

    def __init__(self) -> None:
        self._got = b""
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: Any) -> None:
        self._out = transport

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._room.set()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._got = b""
        if b'"stream": true' in body or b'"stream":true' in body:
            events = SHORT if b"Norway" in body else EVENTS  # Loom's client asks for a stream in any case
            self._streaming = asyncio.get_running_loop().create_task(self._stream(events))
        else:
            listed = head.startswith(b"GET")
            self._out.write(_answer(MODELS if listed else COMPLETION))

    async def _stream(self, events: list[bytes]) -> None:
        self._out.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for each in events:
            if self._out.is_closing():
                return
            self._out.write(b"%x\r\n%s\r\n" % (len(each), each))
            await self._room.wait()
            await asyncio.sleep(0)
        self._out.write(b"0\r\n\r\n")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


def _event(delta: dict[str, Any], stopped: str | None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": stopped}
    made = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fast",
        "choices": [choice],
        **more,
    }
    return f"data: {json.dumps(made)}\n\n".encode()


USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
MODELS = json.dumps({"object": "list", "data": [{"id": "fast", "object": "model"}]}).encode()
COMPLETION = json.dumps({
    "id": "c", "object": "chat.completion", "created": 1, "model": "fast", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Oslo."}, "finish_reason": "stop"}],
}).encode()  # fmt: skip
SHORT = [_event({"content": "Oslo."}, None), _event({}, "stop", usage=USAGE), b"data: [DONE]\n\n"]
EVENTS = [
    *[_event({"content": PIECE}, None)] * PIECES,
    _event({}, "stop", usage=USAGE),
    b"data: [DONE]\n\n",
]


@asynccontextmanager
async def both() -> AsyncIterator[tuple[str, str]]:
    """The URLs of the server and of a gateway in front of it."""
    server = await asyncio.get_running_loop().create_server(FastServer, "127.0.0.1", 0)
    direct = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with TemporaryDirectory() as home:
        async with Loom(watchdog=None) as loom:
            loom.add_model(
                openai("fast", url=f"{direct}/v1", model="fast", concurrency=STREAMS, private=True, price=0.0)
            )
            async with Gateway(loom, Settings(port=0), Path(home)) as gateway:
                yield direct, gateway.url
    server.close()


async def _one(client: httpx.AsyncClient, url: str) -> float:
    began = time.perf_counter()
    answer = await client.post(f"{url}/v1/chat/completions", json=ASKED)
    took = time.perf_counter() - began
    assert answer.json()["choices"][0]["message"]["content"] == "Oslo.", answer.text
    return took


async def _asked() -> dict[str, list[float]]:
    took: dict[str, list[float]] = {each: [] for each in ("direct", "gateway", "direct cpu", "gateway cpu")}
    async with both() as (direct, through), httpx.AsyncClient(timeout=60) as client:
        sides = [("direct", direct), ("gateway", through)]
        for number in range(WARM + ROUNDS):
            for name, url in sides if number % 2 else reversed(sides):
                busy = time.process_time()
                seconds = await _one(client, url)
                if number >= WARM:
                    took[name].append(seconds)
                    took[f"{name} cpu"].append(time.process_time() - busy)
    return took


async def _read(client: httpx.AsyncClient, url: str) -> int:
    size = 0
    asked = {**ASKED, "messages": LONG, "max_tokens": 20_000, "stream": True}
    async with client.stream("POST", f"{url}/v1/chat/completions", json=asked) as answer:
        async for part in answer.aiter_bytes():
            size += len(part)
    return size


async def _streamed() -> tuple[float, float, int]:
    """Megabytes that 32 streams at once add to the process, seconds they take, and bytes that came."""
    limits = httpx.Limits(max_connections=STREAMS * 2)
    async with both() as (_, through), httpx.AsyncClient(timeout=60, limits=limits) as client:
        await _read(client, through)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        sizes = await asyncio.gather(*(_read(client, through) for _ in range(STREAMS)))
        seconds = time.perf_counter() - began
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000, seconds, sum(sizes)


@bench
def gateway() -> Iterator[Ratio]:
    """Overhead of a whole request at the median, and what 32 streams at once take."""
    took = asyncio.run(_asked())
    direct, through = median(took["direct"]) * 1000, median(took["gateway"]) * 1000
    p95 = [quantiles(took[side], n=20)[-1] * 1000 for side in ("direct", "gateway")]
    busy = [median(took[side]) * 1000 for side in ("gateway cpu", "direct cpu")]
    note = (
        f"{through:.2f} ms against {direct:.2f} ms directly ({through / direct:.1f}x); p95 {p95[1]:.2f} and "
    )
    note += f"{p95[0]:.2f}; fastest {min(took['gateway']) * 1000:.2f} and {min(took['direct']) * 1000:.2f}; "
    note += f"processor time {busy[0]:.2f} and {busy[1]:.2f} ms"
    yield Ratio(
        "gateway.overhead", through - direct, bar=3.0, better="lower", unit="ms", slack=0.5, note=note
    )
    grown, seconds, size = asyncio.run(_streamed())
    note = f"{STREAMS} streams of {PIECES} pieces, {size / 1e6:.0f} MB in {seconds:.1f} s; client and server included"
    yield Ratio("gateway.streams.rss", grown, bar=64.0, better="lower", unit="MB", slack=16.0, note=note)
