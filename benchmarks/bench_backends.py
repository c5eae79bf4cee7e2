"""What a remote backend adds to a request over the HTTP client alone: a server on loopback that answers at once.

All sides live in one process and one event loop with the server, keep one connection, and read the answer as JSON. The
server costs each side the same. ``python -m benchmarks backends``.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from time import perf_counter

import httpx2

from benchmarks._harness import Ratio, bench, interleave
from loom.adapters.openai import openai
from loom.models import ModelRequest

REQUESTS = 300
QUESTION = "What is the capital of Norway?"
USAGE = {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9}
WHOLE = json.dumps(
    {"model": "m", "choices": [{"message": {"content": "Oslo"}, "finish_reason": "stop"}], "usage": USAGE}
).encode()
PIECES = "".join(
    f"data: {json.dumps(each)}\n\n"
    for each in (
        {"model": "m", "choices": [{"delta": {"content": "Oslo"}}]},
        {"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"model": "m", "choices": [], "usage": USAGE},
    )
).encode()  # fmt: skip


class Server(asyncio.Protocol):
    """Answers each request with what is ready made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out: asyncio.Transport = transport  # type: ignore[assignment]  # a TCP one can write
        self._got = b""

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not end or len(body) < size:
            return
        self._got = b""
        kind, content = (
            (b"text/event-stream", PIECES) if b'"stream":true' in body else (b"application/json", WHOLE)
        )
        told = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(content))
        self._out.write(told + content)


async def timed(ask: Callable[[], Awaitable[object]]) -> float:
    """The median time of a request, milliseconds."""
    times = []
    for number in range(REQUESTS + 20):
        begun = perf_counter()
        await ask()
        if number >= 20:
            times.append((perf_counter() - begun) * 1000)
    return median(times)


async def client() -> float:
    """The HTTP client by itself."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
    body = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
    async with httpx2.AsyncClient(trust_env=False) as http:

        async def ask() -> object:
            return (await http.post(url, json=body)).json()["choices"][0]["message"]["content"]

        found = await timed(ask)
    server.close()
    return found


async def backend(dialect: str) -> float:
    """The same through a backend: whole, or, of an unknown server, in pieces."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    model = openai("m", url=url, model="m", dialect=dialect)
    found = await timed(lambda: model.infer(ModelRequest("chat", QUESTION)))
    await model.close()
    server.close()
    return found


async def whole() -> float:
    return await backend("openai")


async def pieces() -> float:
    return await backend("auto")


@bench
def backends() -> Iterator[Ratio]:
    got = interleave(5, client=client, whole=whole, pieces=pieces)
    for side in ("whole", "pieces"):
        yield Ratio(
            f"backend.{side}.added_ms",
            got.above(side, "client"),
            better="lower",
            unit="ms",
            slack=0.3,
            note=got.note(side, "client", "ms"),
        )
