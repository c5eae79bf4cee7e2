"""A stream of server-sent events as events, picked up where it broke off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from loom.adapters._feed import as_format, check_format, check_range, make_feed, tell
from loom.adapters._http_client import Http, Limits, Reply, Request
from loom.adapters._retrying import Link, Pauses, keep, refused
from loom.adapters._sse_parser import Message, SseParser
from loom.adapters.source import Out
from loom.errors import RemoteFailed


class ServerSentEvents:
    """The source of one stream: ``{"event", "data", "id"}`` on *topic* for each message.

    It waits where publishing waits, and so lets the server wait. After a break it goes on behind the last id.
    """

    def __init__(
        self, name: str, topic: str, http: Http, url: str, form: str = "text", pauses: Pauses | None = None
    ) -> None:
        self.name, self._pauses = name, pauses or Pauses()
        self.topics = (topic,)
        self._http, self._url, self._form = http, url, form
        self._last_id = ""
        self._retry: int | None = None
        self._counts = {"connected": 0, "messages": 0, "unreadable": 0}

    async def run(self, out: Out) -> None:
        """Follow the stream until cancelled, or until the server says 204: it wants no more."""
        link = Link(out, self._pauses)

        async def connect(link: Link) -> bool:
            return await self._follow(out, link)

        await keep(link, connect)

    def statistics(self) -> Mapping[str, object]:
        """How often it connected, how many messages came, and how many were not of the format."""
        return dict(self._counts)

    async def _follow(self, out: Out, link: Link) -> bool:
        headers = {"accept": "text/event-stream", "cache-control": "no-store"}
        if self._last_id.isascii() and self._last_id.isprintable() and 0 < len(self._last_id) <= 1024:
            headers["last-event-id"] = self._last_id
        link.asked = None if self._retry is None else self._retry / 1000
        async with self._http.open(Request(self._url, headers=headers)) as reply:
            if reply.status == 204:
                return True
            check_stream(reply)
            self._counts["connected"] += 1
            link.stands()
            parser = SseParser(self._http.limits.response, self._last_id)
            async for message in _messages(reply, parser):
                self._last_id, self._retry = parser.last_id, parser.retry or self._retry
                link.works()
                await self._tell(out, message)
            self._last_id, self._retry = parser.last_id, parser.retry or self._retry
        link.asked = None if self._retry is None else self._retry / 1000
        return False

    async def _tell(self, out: Out, message: Message) -> None:
        try:
            data: Any = as_format(self._form, message.data)
        except RemoteFailed:
            self._counts["unreadable"] += 1
            return
        value = {"event": message.event, "data": data, "id": message.id}
        await tell(out, self._counts, self.topics[0], value)


async def _messages(reply: Reply, parser: SseParser) -> AsyncIterator[Message]:
    async for chunk in reply.chunks():
        for message in parser.feed(chunk):
            yield message


def check_stream(reply: Reply) -> None:
    """Raise RemoteFailed for a reply that is no stream of events."""
    if reply.status != 200:
        raise refused(reply.target, reply.status, reply.headers)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise RemoteFailed(f"{reply.target} answers {kind or 'no content type'!r:.80}, not text/event-stream")


def sse(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    topic: str,
    format: str = "text",
    allow: list[str] | None = None,
    private: bool = False,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    idle: float = 300.0,
    limit: int = 1_048_576,
    ca: str | None = None,
) -> ServerSentEvents:
    """``use = "sse"``: the stream at *url* on *topic*; a server silent for *idle* seconds is taken for gone.

    *format* of the data is ``text``, ``json`` (others are counted and left out) or ``auto``; *limit* is the largest
    message in bytes. Raises ConfigError, MissingExtra.
    """
    secrets = {"headers": headers, "query": query, "ca": ca}
    feed = make_feed(url, ("http", "https"), {"allow": allow, "private": private}, home=home, secrets=secrets)
    idle = check_range("idle", idle, 1, 86_400)
    limits = Limits(idle=idle, response=int(check_range("limit", limit, 1, 2**30)))
    http = Http(feed.rules, feed.credentials, limits, methods=("GET",), ca=feed.ca)
    return ServerSentEvents(name, topic, http, feed.target.url, check_format(format))
