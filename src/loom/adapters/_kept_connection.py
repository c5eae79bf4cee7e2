"""One connection to a judged address, which may serve one request after the other."""

from __future__ import annotations

import ssl
from typing import Any

from loom.adapters._egress import Address
from loom.adapters._http_client import _httpx
from loom.errors import BackendFailed, BackendTimeout

CONNECT = 10.0
"""Seconds until a connection stands."""


class Stale(Exception):
    """A kept connection failed before a byte of the answer came: its server had closed it."""


class Connection:
    """A transport of httpx that holds one connection; nothing is connected before the first request."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None) -> None:
        httpx = _httpx()
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
        self.address = address
        self.secure = tls is not None
        self._transport = httpx.AsyncHTTPTransport(verify=tls or False, trust_env=False, limits=limits)
        self._stream: Any = None
        self._heard = True

    async def send(self, request: Any, who: str) -> Any:
        """The response to *request*, its body unread; raises BackendFailed, BackendTimeout, Stale, ConnectError."""
        used = self._stream is not None
        self._heard = not used
        try:
            response = await self._transport.handle_async_request(request)
        except _httpx().ConnectError:
            raise
        except _httpx().HTTPError as error:
            if used and not self._heard and not isinstance(error, _httpx().TimeoutException):
                raise Stale from None
            raise failed(who, error, "before it answered") from None
        if not used:
            self._watch(response.extensions.get("network_stream"))
        return response

    def alive(self) -> bool:
        """Whether another request may be sent: nobody has closed it, and nothing waits on it unread."""
        return self._stream is not None and not self._stream.get_extra_info("is_readable")

    async def close(self) -> None:
        """Close it."""
        await self._transport.aclose()

    def _watch(self, stream: Any) -> None:
        """Notice the first byte that comes back: only what failed before it may be sent again."""
        if stream is None:
            return
        read = stream.read

        async def watched(*arguments: Any, **options: Any) -> bytes:
            data: bytes = await read(*arguments, **options)
            self._heard = self._heard or bool(data)
            return data

        stream.read = watched
        self._stream = stream


def unsent(error: BackendFailed) -> BackendFailed:
    """*error*, before which nothing of the request was sent: nobody bills it."""
    error.sent = False
    return error


def failed(who: str, error: Exception, when: str) -> BackendFailed:
    """The typed error for one of httpx, whose own words are not shown: they may hold what was sent."""
    httpx = _httpx()
    if isinstance(error, httpx.TimeoutException):  # no other is ever set
        return unsent(BackendTimeout(f"{who} could not be connected to in time"))
    if isinstance(error, httpx.ConnectError):
        hint = "; its certificate was refused" if "CERTIFICATE" in str(error) else ""
        return unsent(BackendFailed(f"{who} cannot be connected to{hint}"))
    retryable = not isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol)
    return BackendFailed(f"{who} failed {when}: {type(error).__name__}", retryable=retryable)
