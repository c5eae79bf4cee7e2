"""An HTTP server on loopback that behaves as badly as a test tells it to."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from loom import Loom
from loom.adapters._http_client import _httpx
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from tests.adapters.brokers import certificate

_httpx()  # imported before a test watches for calls that block


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


Behaviour = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def reply(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """A whole response; ``content_type="..."`` becomes the header of that name."""
    content = body.encode() if isinstance(body, str) else body
    named = {"content_length": str(len(content)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Told", *lines, "", ""]).encode() + content


def says(*answers: bytes) -> Behaviour:
    """Answers these, one a request, the last one again and again."""
    left = list(answers)

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return behave


async def project(folder: Path, text: str) -> Loom:
    """The runtime of a project file, built where files may be read."""
    (folder / "loom.toml").write_text(text)
    return await asyncio.to_thread(lambda: build(read_project(folder / "loom.toml")))


def server_context(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS for the name ``broker.test``; ``cert.pem`` in the folder is what to trust."""
    certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class FaultServer:
    """Serves on a free port while it is entered; ``requests`` holds what was asked, ``open`` how many are connected.

    With *keep* a connection serves one request after the other. ``left`` is set when somebody has hung up.
    """

    def __init__(
        self, behaviour: Behaviour, tls: ssl.SSLContext | None = None, *, keep: bool = False
    ) -> None:
        self.behaviour = behaviour
        self.left = asyncio.Event()
        self._keep = keep
        self._tls = tls
        self.requests: list[Asked] = []
        self.open = 0
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultServer":
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        try:
            await self._talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self.open -= 1
            self.left.set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await _read(reader)
            self.requests.append(asked)
            if self._keep:
                await self.behaviour(asked, writer)
                await writer.drain()
                continue
            behaving = asyncio.ensure_future(self.behaviour(asked, writer))
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait((behaving, leaving), return_when=asyncio.FIRST_COMPLETED)
                if behaving.done():
                    behaving.result()
                    await writer.drain()
            finally:
                behaving.cancel()
                leaving.cancel()
                await asyncio.gather(behaving, leaving, return_exceptions=True)
            return


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"header {name} twice"
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(method, path, headers, body)
