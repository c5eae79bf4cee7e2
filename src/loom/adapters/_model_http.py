"""Connections to one backend that stay open between requests: judged when opened, bounded, closed when idle.

One origin has one certificate, so its connections may be kept, which a pool by address could not. A kept connection
that its server has closed is noticed before anything is sent on it; one that is closed in that very moment fails before
a byte of an answer, and then the request is sent once more, on a fresh one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loom.adapters._egress import Address, Rules, Target, classify
from loom.adapters._exchange import Bounds, Exchange, late
from loom.adapters._http_client import _httpx
from loom.adapters._kept_connection import CONNECT, Connection, Stale, failed, unsent
from loom.adapters._model_call import Call
from loom.adapters._pinned import Resolve, look_up, pin
from loom.adapters._secrets import Credentials
from loom.errors import BackendFailed, BackendTimeout, Closed, EgressRefused, RemoteFailed

LONGEST = 86_400.0
"""Seconds that a request can take, whatever it says itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The server that is asked: *target*, whose path all requests begin with, what it may be, and what it is shown.

    One that is *here* is on this machine, and reached at its own address or not at all.
    """

    target: Target
    rules: Rules
    credentials: Credentials
    ca: Path | None = None
    resolve: Resolve = look_up
    here: bool = False


class ModelHttp:
    """Sends calls to one origin; see the module for how its connections are kept."""

    def __init__(self, name: str, origin: Origin, bounds: Bounds | None = None) -> None:
        """*name* is the backend's, for errors; raises MissingExtra without httpx."""
        _httpx()
        self.who = f"model {name!r} at {origin.target.scheme}://{origin.target.netloc}"
        self.origin, self.bounds = origin, bounds or Bounds()
        self._kept: list[tuple[float, Connection]] = []
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(self.bounds.connections)
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._counts = {"requests": 0, "opened": 0, "reused": 0, "stale": 0}

    @asynccontextmanager
    async def open(self, call: Call, timeout: float) -> AsyncIterator[Exchange]:
        """The answer to *call*, which has *timeout* seconds in all; raises BackendFailed, BackendTimeout.

        Who leaves before the body has ended closes the connection: the backend sees that nobody waits.
        """
        self._check(call)
        if not timeout > 0:
            raise unsent(BackendTimeout(f"{self.who}: no time is left, so nothing was sent"))
        begun = _now()
        deadline = begun + min(timeout, LONGEST)
        async with self._place(deadline):
            waited = (_now() - begun) * 1000
            exchange = await self._answered(call, deadline)
            exchange.waited = waited
            try:
                yield exchange
            finally:
                await self._leave(exchange)

    def statistics(self) -> Mapping[str, int]:
        """Requests, connections opened and used again, those found closed, kept ones, and who waits for a place."""
        return {**self._counts, "kept": len(self._kept), "waiting": self._waiting}

    async def close(self) -> None:
        """Close every kept connection; what is under way ends with its own request."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.expire(float("inf"))

    async def expire(self, now: float) -> None:
        """Close the connections that were not used for `kept` seconds at *now*, seconds of the loop's clock."""
        old = [each for each in self._kept if each[0] + self.bounds.kept <= now]
        self._kept = [each for each in self._kept if each not in old]
        for _, connection in old:
            await connection.close()

    def _check(self, call: Call) -> None:
        if self._closed:
            raise Closed(f"{self.who} is closed")
        if len(call.body) > self.bounds.request:
            size, most = len(call.body), self.bounds.request
            what = f"{self.who}: a request of {size:,} bytes is over the limit of {most:,}"
            raise unsent(BackendFailed(what, retryable=False))
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # what was opened on a loop that is gone is gone with it
            self._loop, self._kept, self._tasks, self._timer = loop, [], set(), None
            self._places = asyncio.Semaphore(self.bounds.connections)

    @asynccontextmanager
    async def _place(self, deadline: float) -> AsyncIterator[None]:
        if self._waiting >= self.bounds.waiting:
            raise unsent(BackendFailed(f"{self.who}: {self._waiting} requests wait for it already"))
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
        except TimeoutError:
            raise unsent(BackendTimeout(f"{self.who}: the request's time ran out while it waited")) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    async def _answered(self, call: Call, deadline: float) -> Exchange:
        patience = self.bounds.idle if call.stream else float("inf")
        try:
            async with asyncio.timeout_at(min(deadline, _now() + patience)):
                connection, response = await self._send(call)
        except TimeoutError as error:
            if isinstance(error, BackendFailed):
                raise
            raise late(self.who, deadline, patience) from None
        except (EgressRefused, RemoteFailed) as error:
            retryable = isinstance(error, RemoteFailed) and error.retryable
            raise unsent(BackendFailed(f"{self.who}: {error}", retryable=retryable)) from None
        return Exchange(self.who, connection, response, self.bounds, (deadline, patience))

    async def _send(self, call: Call) -> tuple[Connection, Any]:
        self._counts["requests"] += 1
        kept = await self._take()
        if kept is not None:
            self._counts["reused"] += 1
            try:
                return kept, await self._send_on(kept, call)
            except Stale:
                self._counts["stale"] += 1
        return await self._send_fresh(call)

    async def _send_fresh(self, call: Call) -> tuple[Connection, Any]:
        addresses = await pin(self.origin.target, self.origin.rules, self.origin.resolve)
        if why := self._misled(addresses):
            raise EgressRefused(why)
        tls = await self._trust() if self.origin.target.scheme == "https" else None
        self._counts["opened"] += 1
        last: Exception | None = None
        for address in addresses:
            connection = Connection(address, tls)
            try:
                return connection, await self._send_on(connection, call)
            except _httpx().ConnectError as error:
                last = error
        assert last is not None  # pin gives at least one
        raise failed(self.who, last, "") from None

    def _misled(self, addresses: list[Address]) -> str | None:
        """Why the addresses of the name are not what was said of it; None when they are."""
        target = self.origin.target
        if self.origin.here and not all(address.is_loopback for address in addresses):
            return f"it is said to be local, but {target.host!r} leads elsewhere"
        plain = target.scheme == "http" and self.origin.credentials.known
        if plain and any(classify(address) == "public" for address in addresses):
            return f"the key would be sent as plain text to a public address of {target.host!r}; use https"
        return None

    async def _send_on(self, connection: Connection, call: Call) -> Any:
        try:
            return await connection.send(self._wire(connection, call), self.who)
        except BaseException:  # cancelled too: a connection in the middle of a request is of no use
            await connection.close()
            raise

    def _wire(self, connection: Connection, call: Call) -> Any:
        target, address = self.origin.target, connection.address
        headers = {"user-agent": "loom", "accept": "text/event-stream" if call.stream else "application/json"}
        headers |= {name.lower(): value for name, value in self.origin.credentials.headers.items()}
        headers |= {"host": target.netloc, "accept-encoding": "identity", **call.headers}
        where = f"[{address}]" if address.version == 6 else str(address)
        base = target.path.rstrip("/")
        path = (base.removesuffix("/v1") if call.outside else base) + call.path
        return _httpx().Request(
            call.method,
            f"{target.scheme}://{where}:{target.port}{path}",
            headers=headers,
            content=call.body or None,
            extensions={"sni_hostname": target.host, "timeout": {"connect": CONNECT}},
        )

    async def _take(self) -> Connection | None:
        await self.expire(_now())
        while self._kept:
            _, connection = self._kept.pop()
            if connection.alive():
                return connection
            self._counts["stale"] += 1
            await connection.close()
        return None

    async def _leave(self, exchange: Exchange) -> None:
        later = exchange.understood and not exchange.ended and not self._closed
        if later and len(self._tasks) < self.bounds.connections:
            task = asyncio.create_task(self._drained(exchange), name="loom-model-rest")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        await self._settle(exchange)

    async def _drained(self, exchange: Exchange) -> None:
        try:
            await exchange.drain()
        finally:
            await self._settle(exchange)

    async def _settle(self, exchange: Exchange) -> None:
        """Keep the connection where it may serve again, close it otherwise."""
        connection = exchange.connection
        if not await exchange.close() or self._closed or len(self._kept) >= self.bounds.connections:
            await connection.close()
            return
        self._kept.append((_now(), connection))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.bounds.kept, self._tidy)

    def _tidy(self) -> None:
        self._timer = None
        task = asyncio.create_task(self._expired(), name="loom-model-idle")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _expired(self) -> None:
        await self.expire(_now())
        if self._kept and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self.bounds.kept, self._tidy)

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            ca = None if self.origin.ca is None else str(self.origin.ca)
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
        return self._tls


def _now() -> float:
    return asyncio.get_running_loop().time()
