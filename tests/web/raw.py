"""HTTP by hand: what no client library would send, and answers as they come."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any


class Raw:
    """One connection: `async with Raw(gateway) as raw: status, headers, body = await raw.post(path, value)`."""

    def __init__(self, gateway: Any) -> None:
        self._host, port = gateway.url.removeprefix("http://").split(":")
        self._port = int(port)

    async def __aenter__(self) -> Raw:
        self.reader, self.writer = await asyncio.open_connection(self._host, self._port, limit=1 << 24)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass

    def write(self, text: str | bytes) -> None:
        self.writer.write(text.encode("latin-1") if isinstance(text, str) else text)

    def request(self, method: str, path: str, body: bytes = b"", *more: str, host: str | None = None) -> None:
        """Write a whole request; *more* are header lines."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host if host is None else host}", *more]
        if body:
            lines.append(f"Content-Length: {len(body)}")
            if not any(each.lower().startswith("content-type") for each in more):
                lines.append("Content-Type: application/json")
        self.write("\r\n".join(lines) + "\r\n\r\n")
        self.write(body)

    async def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of the next answer."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(first.split()[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """The next answer, its body as JSON."""
        status, headers = await self.head()
        data = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return status, headers, json.loads(data) if data else None

    async def post(self, path: str, value: Any, *more: str) -> tuple[int, dict[str, str], Any]:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.request("POST", path, body, *more)
        return await self.answer()

    async def get(self, path: str, *more: str, host: str | None = None) -> tuple[int, dict[str, str], Any]:
        self.request("GET", path, b"", *more, host=host)
        return await self.answer()


CHAT = "/v1/chat/completions"
HI: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
