"""The answer to one call while it is read: in pieces, within its time and its size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from loom.adapters._http_client import _httpx
from loom.adapters._kept_connection import Connection, failed
from loom.errors import BackendFailed, BackendTimeout

REST = 65_536
"""Bytes that may follow the last word of a stream; a server that sends more loses its connection."""

REST_TIME = 1.0
"""Seconds that it has for them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """*idle* seconds of silence in a stream; *request* and *response* in bytes; *kept* seconds of an unused connection.

    *connections* are open at once, and as many requests under way; *waiting* more wait for one.
    """

    idle: float = 60.0
    request: int = 33_554_432
    response: int = 33_554_432
    kept: float = 30.0
    connections: int = 8
    waiting: int = 256


class Exchange:
    """Status, headers by lower-case name, the body unread, and the seconds *waited* for a place.

    *ended*: the body was read to its end. *understood*, set by the reader: nothing of interest is left in it.
    """

    def __init__(
        self, who: str, connection: Connection, response: Any, bounds: Bounds, times: tuple[float, float]
    ) -> None:
        """*times*: the deadline on the loop's clock, and the seconds of silence that are borne."""
        self.status: int = response.status_code
        self.headers: dict[str, str] = {k.lower(): v for k, v in response.headers.items()}
        self.who, self.connection = who, connection
        self.waited = 0.0
        self.ended = self.understood = False
        self._response, self._bounds, self._times = response, bounds, times
        self._stream = aiter(response.stream)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; raises BackendTimeout, BackendFailed when it is cut, compressed, or over the limit."""
        most, size = self._bounds.response, 0
        if self.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            what = f"{self.who} answered compressed, which was not asked for"
            raise BackendFailed(what, retryable=False, status=self.status)
        while (chunk := await self._next()) is not None:
            size += len(chunk)
            if size > most:
                what = f"{self.who} answered more than the limit of {most:,} bytes"
                raise BackendFailed(what, retryable=False, status=self.status)
            yield chunk

    async def read(self) -> bytes:
        """The whole body; raises like ``chunks``, at once where it is announced as too large."""
        told, most = self.headers.get("content-length", ""), self._bounds.response
        if told.isascii() and told.isdecimal() and int(told[:19]) > most:
            what = f"{self.who} answers {told[:19]} bytes, over the limit of {most:,}"
            raise BackendFailed(what, retryable=False, status=self.status)
        return b"".join([chunk async for chunk in self.chunks()])

    async def head(self, size: int) -> bytes:
        """The first *size* bytes of the body, or what of them comes; for errors, so it never fails."""
        body = bytearray()
        try:
            async with asyncio.timeout(REST_TIME):
                async for chunk in self.chunks():
                    body += chunk
                    if len(body) >= size:
                        break
        except (BackendFailed, TimeoutError):
            pass
        return bytes(body[:size])

    async def drain(self) -> None:
        """Read what is left, for the connection's sake; never fails."""
        size = 0
        try:
            async with asyncio.timeout(REST_TIME):
                while size <= REST and (chunk := await self._next()) is not None:
                    size += len(chunk)
        except (BackendFailed, TimeoutError):
            pass

    async def close(self) -> bool:
        """End it; returns whether its connection may serve again."""
        try:
            await self._response.aclose()
        except _httpx().HTTPError:
            return False
        return self.ended and self.connection.alive()

    async def _next(self) -> bytes | None:
        deadline, patience = self._times
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + patience)):
                return bytes(await anext(self._stream))
        except StopAsyncIteration:
            self.ended = True
            return None
        except TimeoutError:
            raise late(self.who, deadline, patience) from None
        except _httpx().HTTPError as error:
            raise failed(self.who, error, "in the middle of its answer") from None


def late(who: str, deadline: float, patience: float) -> BackendTimeout:
    """The error for an answer, or a piece of one, that did not come before *deadline* or within *patience* seconds."""
    if asyncio.get_running_loop().time() >= deadline:
        return BackendTimeout(f"{who} took longer than its time")
    return BackendTimeout(f"{who} said nothing for {patience:g} s")
