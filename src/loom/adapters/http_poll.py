"""A URL that is asked again and again, and is an event whenever its content has changed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loom.adapters._feed import Feed, as_format, check_format, check_range, make_feed, tell
from loom.adapters._http_body import read_body
from loom.adapters._http_client import Answer, Http, Limits, Request
from loom.adapters._retrying import Link, Pauses, refused
from loom.adapters.source import Out
from loom.errors import EgressRefused, RemoteFailed

_TAG = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,1023}\Z")


@dataclass(slots=True)
class Seen:
    """What the last good answer was: its tags for a conditional request, and the fingerprint of its content."""

    etag: str = ""
    modified: str = ""
    content: bytes = b""

    def conditions(self) -> dict[str, str]:
        """The headers that ask for an answer only if it is another one."""
        named = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in named.items() if value}

    def take(self, answer: Answer, form: str) -> tuple[bool, Any]:
        """Whether *answer* is news, and what it says; raises RemoteFailed for one that is no success or no content."""
        if answer.status == 304 and self.content:
            return False, None
        if not 200 <= answer.status < 300:
            raise refused(answer.url, answer.status, answer.headers)
        value = content(answer, form)
        told = fingerprint(value)
        news, self.content = told != self.content, told
        self.etag = _tag(answer.headers.get("etag", ""))
        self.modified = _tag(answer.headers.get("last-modified", ""))
        return news, value


def content(answer: Answer, form: str) -> Any:
    """The payload of an answer: by its content type for ``auto``, else as *form* says; raises RemoteFailed."""
    if form == "auto":
        return read_body(answer.headers.get("content-type", ""), answer.body)[1]
    return as_format(form, answer.body.decode("utf-8-sig", "replace"))


def fingerprint(value: Any) -> bytes:
    """The same for equal contents, in whatever order a JSON object names its members."""
    if isinstance(value, bytes):
        return hashlib.sha256(b"bytes" + value).digest()
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(b"text" + text.encode("utf-8", "surrogatepass")).digest()


def _tag(text: str) -> str:
    return text if _TAG.match(text) else ""


class HttpPoll:
    """The source of one URL: its content on *topic* at first and whenever it differs, asked for every *interval* s."""

    def __init__(
        self, name: str, topic: str, http: Http, url: str, interval: float, form: str = "auto"
    ) -> None:
        self.name = name
        self.topics = (topic,)
        self._http, self._url, self._interval, self._form = http, url, interval, form
        self._seen = Seen()
        self._counts = {"asked": 0, "messages": 0, "unreadable": 0, "failed": 0}

    async def run(self, out: Out) -> None:
        """Ask until cancelled; what fails is asked again after pauses that grow, or as the server wants it."""
        link = Link(out, Pauses(self._interval, max(300.0, self._interval)))
        while True:
            try:
                news, value = await self._ask()
            except (RemoteFailed, EgressRefused) as error:
                self._counts["failed"] += 1
                await link.pause(str(error), getattr(error, "retry_after", None))
                continue
            link.stands()
            link.works()
            if news:
                await tell(out, self._counts, self.topics[0], value)
            await asyncio.sleep(self._interval)

    def statistics(self) -> Mapping[str, object]:
        """How often it was asked and failed, the changes told, and those that no event can carry."""
        return dict(self._counts)

    async def _ask(self) -> tuple[bool, Any]:
        self._counts["asked"] += 1
        answer = await self._http.fetch(Request(self._url, headers=self._seen.conditions()))
        return self._seen.take(answer, self._form)


def http_poll(
    name: str,
    home: Path | None = None,
    *,
    url: str,
    topic: str,
    interval: float = 60.0,
    format: str = "auto",
    allow: list[str] | None = None,
    private: bool = False,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    timeout: float = 30.0,
    limit: int = 1_048_576,
    ca: str | None = None,
) -> HttpPoll:
    """``use = "http_poll"``: *url* every *interval* seconds on *topic*, when it has changed.

    *format* is ``auto`` (by content type), ``json`` or ``text``; *limit* is the largest answer in bytes; *allow* and
    *private* as for ``http_request``, the host of *url* being allowed, *ca* too. Raises ConfigError, MissingExtra.
    """
    secrets = {"headers": headers, "query": query, "ca": ca}
    feed = make_feed(url, ("http", "https"), {"allow": allow, "private": private}, home=home, secrets=secrets)
    check_range("interval", interval, 0.1, 604_800)
    http = feed_http(
        feed, check_range("timeout", timeout, 0.1, 3600), int(check_range("limit", limit, 1, 2**30))
    )
    return HttpPoll(name, topic, http, feed.target.url, interval, check_format(format))


def feed_http(feed: Feed, timeout: float, limit: int) -> Http:
    """What asks for a feed: GET only, within its rules."""
    limits = Limits(timeout=timeout, idle=timeout, response=limit)
    return Http(feed.rules, feed.credentials, limits, methods=("GET",), ca=feed.ca)
