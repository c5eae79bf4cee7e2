"""HTTP under rules: pinned to the judged address, each redirect judged anew, everything streamed and within limits.

httpx is used below its client: that one logs whole URLs, keeps cookies and looks at the environment. A connection
serves one request, because a pool of connections by address would mix the certificates of several names.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from loom.adapters._egress import Address, Rules, Target, parse_url, redirected
from loom.adapters._headers import check_headers
from loom.adapters._pinned import Resolve, look_up, pin
from loom.adapters._secrets import Credentials
from loom.errors import EgressRefused, MissingExtra, RemoteFailed, RemoteTooLarge

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds in all and of silence, bytes of a body there and back, and how many redirects are followed."""

    timeout: float = 30.0
    idle: float = 30.0
    request: int = 1_048_576
    response: int = 4_194_304
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; *with_credentials* says whether the configured credentials still go with it."""

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    with_credentials: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply: status, headers by lower-case name, body, and where it came from (without its query)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Reply:
    """A reply whose body has not been read yet."""

    def __init__(self, response: Any, transport: Any, target: Target, retryable: bool) -> None:
        self.status: int = response.status_code
        self.headers: dict[str, str] = {k.lower(): v for k, v in response.headers.items()}
        self.target = target
        self._response, self._transport, self._retryable = response, transport, retryable

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces of at most 64 KiB; raises RemoteFailed."""
        if self.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise RemoteFailed(f"{self.target} answered compressed, which was not asked for", retryable=False)
        try:
            async for chunk in self._response.stream:
                yield chunk
        except _httpx().HTTPError as error:
            raise _failed(self.target, error, self._retryable) from None

    async def read(self, limit: int) -> bytes:
        """The whole body; raises RemoteTooLarge as soon as it is known to be over *limit* bytes, RemoteFailed."""
        told = self.headers.get("content-length", "0")
        if told.isdecimal() and len(told) < 20 and int(told) > limit:
            raise RemoteTooLarge(f"{self.target} answers {int(told):,} bytes, over the limit of {limit:,}")
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                raise RemoteTooLarge(f"{self.target} answers more than the limit of {limit:,} bytes")
        return bytes(body)

    async def close(self) -> None:
        """Give the connection back."""
        try:
            await self._response.aclose()
        finally:
            await self._transport.aclose()


class Http:
    """Asks what *rules* allow, with *credentials* for the first origin of each request, within *limits*."""

    def __init__(
        self,
        rules: Rules,
        credentials: Credentials | None = None,
        limits: Limits | None = None,
        *,
        methods: tuple[str, ...] = METHODS,
        ca: Path | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        """*ca* is a file of certificates to trust instead of the machine's; raises MissingExtra."""
        _httpx()
        self.rules, self.limits, self.methods = rules, limits or Limits(), methods
        self.credentials = credentials or Credentials()
        self._ca, self._resolve = ca, resolve
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, request: Request) -> Answer:
        """The whole answer; raises EgressRefused, RemoteTooLarge, RemoteFailed. Any status is an answer."""
        limit = asyncio.timeout(self.limits.timeout)
        try:
            async with limit:
                async with self.open(request) as reply:
                    body = await reply.read(self.limits.response)
                    return Answer(reply.status, reply.headers, body, str(reply.target))
        except TimeoutError:
            if not limit.expired():
                raise
            why = f"took longer than its time limit of {self.limits.timeout} s"
            raise RemoteFailed(f"the request {why}", retryable=request.method in _REPEATABLE) from None

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Reply]:
        """The reply behind all redirects, its body unread; raises EgressRefused, RemoteTooLarge, RemoteFailed."""
        target = self._checked(request)
        for _ in range(self.limits.redirects + 1):
            if request.method not in self.methods:
                raise EgressRefused(f"method {request.method!r:.20} is not allowed; set methods = [...]")
            reply = await self._send(target, request)
            try:
                location = reply.headers.get("location") if reply.status in _REDIRECTS else None
                if location is None:
                    yield reply
                    return
            finally:
                await reply.close()
            request, target = follow(request, target, redirected(target, location, self.rules), reply.status)
        raise RemoteFailed(f"{target} redirects more than {self.limits.redirects} times", retryable=False)

    def _checked(self, request: Request) -> Target:
        check_headers(request.headers)
        if len(request.body) > self.limits.request:
            size = f"{len(request.body):,} bytes"
            raise RemoteTooLarge(f"a request of {size} is over the limit of {self.limits.request:,}")
        return parse_url(request.url)

    async def _send(self, target: Target, request: Request) -> Reply:
        addresses = await pin(target, self.rules, self._resolve)
        tls = await self._trust() if target.scheme == "https" else None
        for address in addresses[:-1]:
            try:
                return await self._send_to(address, target, request, tls)
            except _httpx().ConnectError:
                continue
        try:
            return await self._send_to(addresses[-1], target, request, tls)
        except _httpx().ConnectError as error:
            raise _failed(target, error, retryable=True) from None

    async def _send_to(
        self, address: Address, target: Target, request: Request, tls: ssl.SSLContext | None
    ) -> Reply:
        httpx, retryable = _httpx(), request.method in _REPEATABLE
        transport = httpx.AsyncHTTPTransport(verify=tls or False, trust_env=False)
        try:
            response = await transport.handle_async_request(self._wire(httpx, address, target, request))
        except BaseException as error:
            await transport.aclose()
            if isinstance(error, httpx.HTTPError) and not isinstance(error, httpx.ConnectError):
                retryable = retryable or isinstance(error, httpx.ConnectTimeout)
                raise _failed(target, error, retryable) from None
            raise
        return Reply(response, transport, target, retryable)

    def _wire(self, httpx: Any, address: Address, target: Target, request: Request) -> Any:
        path, headers = target.path, {"user-agent": "loom", "accept": "*/*"}
        headers |= {name.lower(): value for name, value in request.headers.items()}
        headers |= {"host": target.netloc, "accept-encoding": "identity", "connection": "close"}
        if request.with_credentials:
            headers |= {name.lower(): value for name, value in self.credentials.headers.items()}
            if self.credentials.query:
                path += ("&" if "?" in path else "?") + urlencode(self.credentials.query)
        where = f"[{address}]" if address.version == 6 else str(address)
        idle = self.limits.idle
        return httpx.Request(
            request.method,
            f"{target.scheme}://{where}:{target.port}{path}",
            headers=headers,
            content=request.body or None,
            extensions={
                "sni_hostname": target.host,
                "timeout": {"connect": min(10.0, idle), "read": idle, "write": idle, "pool": idle},
            },
        )

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            ca = None if self._ca is None else str(self._ca)
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
        return self._tls


def follow(request: Request, old: Target, new: Target, status: int) -> tuple[Request, Target]:
    """What is asked for behind a redirect: another origin gets no credentials, and what said 'see other' no body."""
    changed = replace(request, with_credentials=request.with_credentials and old.origin == new.origin)
    moved = status in (301, 302) and request.method == "POST"
    if moved or (status == 303 and request.method != "HEAD"):
        kept = {n: v for n, v in request.headers.items() if not n.lower().startswith("content-")}
        changed = replace(changed, method="GET", body=b"", headers=kept)
    return changed, new


def _failed(target: Target, error: Exception, retryable: bool) -> RemoteFailed:
    return RemoteFailed(f"{target} failed: {type(error).__name__}", retryable=retryable)


@cache
def _httpx() -> Any:
    """httpx and what it imports with its first connection, so that no running loop waits for files."""
    try:
        module = importlib.import_module("httpx2")
    except ImportError:
        try:
            module = importlib.import_module("httpx")
        except ImportError:
            raise MissingExtra("http", "httpx") from None
    for name in ("httpcore", "httpcore2", "hpack"):  # at DEBUG they write headers, and in those stand keys
        logging.getLogger(name).setLevel(logging.WARNING)
    with suppress(ImportError):  # it is loaded with the first connection otherwise
        importlib.import_module("anyio._backends._asyncio")
    module.AsyncHTTPTransport(verify=False, trust_env=False)  # made, never used
    return module
