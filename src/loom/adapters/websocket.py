"""A WebSocket that is followed: what the server sends is an event, and a connection that breaks is made again."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from loom.adapters._egress import Target
from loom.adapters._feed import Feed, as_format, check_format, check_range, make_feed, tell
from loom.adapters._pinned import Resolve, look_up, open_socket, pin
from loom.adapters._retrying import Link, Pauses, keep, refused
from loom.adapters._secrets import read_secret
from loom.adapters.source import Out
from loom.errors import MissingExtra, RemoteFailed

_QUIET = logging.Logger(
    "loom.websocket", logging.CRITICAL
)  # the library's own log holds headers and contents


@dataclass(frozen=True, slots=True)
class WebSocketOptions:
    """*send* goes out first; *limit* is the largest message in bytes; a *ping* every so many s asks who is there."""

    form: str = "auto"
    send: Sequence[str] = field(default=(), repr=False)
    subprotocols: Sequence[str] = ()
    limit: int = 1_048_576
    ping: float = 20.0
    timeout: float = 10.0
    pauses: Pauses = field(default_factory=Pauses)


class WebSocket:
    """The source of one WebSocket: a text is text or its JSON on *topic*, a binary message is bytes.

    It waits where publishing waits: four messages are read ahead, then the server has to wait. Redirects are refused.
    """

    def __init__(
        self, name: str, topic: str, feed: Feed, options: WebSocketOptions, *, resolve: Resolve = look_up
    ) -> None:
        _websockets()
        self.name = name
        self.topics = (topic,)
        self._feed, self._options, self._resolve = feed, options, resolve
        self._tls: ssl.SSLContext | None = None
        self._counts = {"connected": 0, "messages": 0, "unreadable": 0}

    async def run(self, out: Out) -> None:
        """Follow it until cancelled."""

        async def connect(link: Link) -> bool:
            try:
                await self._follow(out, link)
            except (OSError, TimeoutError, _websockets().exceptions.WebSocketException) as error:
                raise _failed(self._feed.target, error) from None
            return False

        await keep(Link(out, self._options.pauses), connect)

    def statistics(self) -> Mapping[str, object]:
        """How often it connected, how many messages came, and how many were not of the format."""
        return dict(self._counts)

    async def _follow(self, out: Out, link: Link) -> None:
        target, options = self._feed.target, self._options
        addresses = await pin(target, self._feed.rules, self._resolve)
        tls = await self._trust() if target.scheme == "wss" else None
        socket = await open_socket(target, addresses, options.timeout)
        connecting = _websockets().connect(
            self._uri(),
            sock=socket,
            ssl=tls,
            proxy=None,
            compression=None,  # or a small message could become a large one
            additional_headers=self._feed.credentials.headers,
            user_agent_header="loom",
            subprotocols=list(options.subprotocols) or None,
            open_timeout=options.timeout,
            ping_interval=options.ping,
            ping_timeout=options.ping,
            close_timeout=1,
            max_size=options.limit,
            max_queue=4,
            logger=_QUIET,
        )
        try:
            connection = await connecting
        except ValueError:  # what it says holds the address it was sent to
            socket.close()
            raise RemoteFailed(f"{target} redirects, which is not followed", retryable=False) from None
        except BaseException:  # cancelled too: nobody else closes it
            socket.close()
            raise
        async with connection:
            for text in options.send:
                await connection.send(text)
            self._counts["connected"] += 1
            link.stands()
            async for message in connection:
                link.works()
                await self._tell(out, message)

    async def _tell(self, out: Out, message: str | bytes) -> None:
        try:
            value: Any = as_format(self._options.form, message) if isinstance(message, str) else message
        except RemoteFailed:
            self._counts["unreadable"] += 1
            return
        await tell(out, self._counts, self.topics[0], value)

    def _uri(self) -> str:
        uri, query = self._feed.target.url, self._feed.credentials.query
        return uri + ("&" if "?" in uri else "?") + urlencode(query) if query else uri

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context, cafile=self._feed.ca)
        return self._tls


def _failed(target: Target, error: Exception) -> RemoteFailed:
    response = getattr(error, "response", None)
    if response is not None:
        return refused(target, response.status_code, {k.lower(): v for k, v in response.headers.raw_items()})
    closed = getattr(error, "rcvd", None) or getattr(error, "sent", None)
    why = f"closed with code {closed.code}" if closed is not None else f"failed: {type(error).__name__}"
    return RemoteFailed(f"{target} {why}")


def websocket(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    topic: str,
    format: str = "auto",
    send: list[str] | None = None,
    subprotocols: list[str] | None = None,
    private: bool = False,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    limit: int = 1_048_576,
    ping: float = 20.0,
    ca: str | None = None,
) -> WebSocket:
    """``use = "websocket"``: what comes from *url* (ws or wss) on *topic*.

    *format* of texts is ``auto`` (JSON where it is), ``json`` (others are counted and left out) or ``text``. *send* are
    texts, or ``env:NAME``, sent at first. *limit* is the largest message in bytes, *ping* seconds. Raises ConfigError,
    MissingExtra.
    """
    secrets = {"headers": headers, "query": query, "ca": ca}
    feed = make_feed(url, ("ws", "wss"), {"private": private}, home=home, secrets=secrets)
    first = [read_secret(text, home, "send") or text for text in send or ()]
    options = WebSocketOptions(
        form=check_format(format),
        send=first,
        subprotocols=subprotocols or (),
        limit=int(check_range("limit", limit, 1, 2**30)),
        ping=check_range("ping", ping, 0.1, 3600),
    )
    return WebSocket(name, topic, feed, options)


@cache
def _websockets() -> Any:
    try:
        import websockets
        import websockets.asyncio.client
        import websockets.exceptions
    except ImportError:
        raise MissingExtra("http", "websockets") from None
    websockets.connect  # noqa: B018 - it is loaded when it is first named, and then from files
    return websockets
