"""Answering: one request of HTTP to one of the models, whole or in pieces, for as long as the client listens.

ASGI without a framework's request objects: what matters here is when something is read and when something is sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, TypeVar

from loom.errors import LoomError
from loom.models import ModelReply, ModelRequest
from loom.web.call import Call, Told, told_apart
from loom.web.client import Client
from loom.web.provisional import Held
from loom.web.refusal import Refusal, refusal_of
from loom.web.replying import Answer, Reply, decided, headers_of, send_answer
from loom.web.settings import Settings
from loom.web.upstream import Upstream
from loom.web.wishes import read_wishes, request_of

T = TypeVar("T")
Message = Mapping[str, Any]
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
DISCARDED = 4
"""How many times the limit is read, and thrown away, of a body that is too large: its sender hears the refusal then."""
MUCH = 256_000
"""Bytes that are read or written in a thread: a megabyte of JSON takes some ten milliseconds."""

log = logging.getLogger("loom.web")


class Gone(Exception):
    """The client does not listen any more."""


class Events(Protocol):
    """How one kind of API writes a stream."""

    def begin(self) -> bytes: ...

    def piece(self, text: str) -> bytes: ...

    def end(self, output: object, told: Told) -> bytes: ...

    def failed(self, refusal: Refusal) -> bytes: ...


class Endpoint(NamedTuple):
    """One kind of request: how it is read (body and content type), written, and streamed; *kind* is what keys name."""

    path: str
    kind: str
    read: Callable[[bytes, str], Call]
    write: Callable[[object, Told, Call], Answer]
    events: Callable[[Told, Call], Events] | None = None
    prefix: str = ""
    anthropic: bool = False


class Serving:
    """Serves endpoints from the models of *upstream*, at most so many requests at once."""

    def __init__(self, upstream: Upstream, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._upstream = upstream
        self._settings = settings
        self._now_ms = now_ms
        self.running = 0
        self.served = 0
        self.gone = 0
        self.refused = 0
        self.open = True
        self.counts: Callable[[Client], bool] = _nobody_counts

    async def __call__(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say why not; a client that leaves ends the work for it."""
        reply = Reply(send, self._settings.patience, scope)
        try:
            await self._answer(endpoint, scope, receive, reply)
            self.served += 1
        except Gone:
            self.gone += 1
        except Exception as error:  # noqa: BLE001 - whatever a backend, a stranger's code, raises: the client gets an answer
            self.refused += 1
            await reply.refuse(self._refusal(error), endpoint.anthropic)

    def _refusal(self, error: Exception) -> Refusal:
        if not isinstance(error, LoomError | TimeoutError):
            log.error("a request failed: %s", where(error))
        return refusal_of(error, self._now_ms())

    async def _answer(self, endpoint: Endpoint, scope: Scope, receive: Receive, reply: Reply) -> None:
        client: Client = scope["state"]["client"]
        client.check_kind(endpoint.kind)
        self._check_budget(client)
        check_encoding(_header(scope, b"content-encoding"))
        wishes = read_wishes(scope["headers"])
        with self._slot():
            data = await read_body(receive, scope["headers"], self._settings)
            size = len(data) if endpoint.kind != "transcriptions" else MUCH + len(data)  # sound is converted
            call = await beside(size, endpoint.read, data, _header(scope, b"content-type"))
            self._upstream.check(call.model, client)
            request = request_of(call, wishes, client, self._settings.timeout)
            self._upstream.check_profile(request.profile, client)
            done = self._streamed if call.stream else self._whole
            await while_there(receive, done(endpoint, call, request, reply))

    def _check_budget(self, client: Client) -> None:
        if client.budget is not None and not self.counts(client):
            raise Refusal(
                503, "budget_unknown", "this key has a budget that nobody counts; start the gateway anew"
            )

    def _slot(self) -> _Slot:
        if not self.open:
            raise Refusal(503, "closing", "the gateway is closing; ask again later", retry_after=5.0)
        if self.running >= self._settings.concurrency:
            raise Refusal(
                503, "overloaded", f"{self.running} requests run, which is the most at once", retry_after=1.0
            )
        return _Slot(self)

    async def _whole(self, endpoint: Endpoint, call: Call, request: ModelRequest, reply: Reply) -> None:
        got = await self._upstream.infer(request)
        told = self._told(endpoint, call, got)
        size = len(call.input) * 4_000 if endpoint.kind == "embeddings" else 0
        answer = await beside(size, endpoint.write, told_apart(got.output, call), told, call)
        await send_answer(reply, answer, headers_of(told))

    async def _streamed(self, endpoint: Endpoint, call: Call, request: ModelRequest, reply: Reply) -> None:
        assert endpoint.events is not None
        async with aclosing(self._upstream.stream(request)) as items:
            first = await anext(
                items, {"text": "", "done": True}
            )  # what fails at once has a status of its own
            told = decided(Told(self._id(endpoint), self._now_ms() // 1000, call.model), first)
            events = endpoint.events(told, call)
            await reply.begin_events(headers_of(told), events.begin())
            try:
                last = await self._pieces(first, items, events, reply)
            except Exception as error:  # noqa: BLE001 - a backend's, in the middle: said in the stream, which then ends
                self.refused += 1
                await reply.end(events.failed(self._refusal(error)))
            else:
                await reply.end(events.end(told_apart(last, call), decided(told, last)))

    async def _pieces(self, first: Any, items: Any, events: Events, reply: Reply) -> object:
        """Pass the pieces on, each when the one before has room; returns the last item, which holds the figures."""
        item, held = first, Held()
        while True:
            text = held.take(item)
            if text:
                await reply.send(events.piece(text))
            if isinstance(item, Mapping) and item.get("done"):
                return item
            item = await anext(items, {"text": "", "done": True})

    def _told(self, endpoint: Endpoint, call: Call, got: ModelReply) -> Told:
        decision = got.decision
        return Told(
            self._id(endpoint),
            self._now_ms() // 1000,
            got.backend or call.model,
            "" if decision is None else decision.id,
            "" if decision is None else str(decision.route),
            got.backend,
            got.cost,
            got.usage.tokens_in,
        )

    def _id(self, endpoint: Endpoint) -> str:
        return endpoint.prefix + secrets.token_hex(12)


class _Slot:
    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def __enter__(self) -> None:
        self._serving.running += 1

    def __exit__(self, *_: object) -> None:
        self._serving.running -= 1


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> bytes:
    """The body of a request; raises Refusal (413, 408), Gone."""
    try:
        async with asyncio.timeout(settings.patience * 4):
            return await _body(receive, headers, settings)
    except TimeoutError:
        raise Refusal(408, "timeout", "the body did not come in time") from None


async def _body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], settings: Settings) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        async with asyncio.timeout(settings.patience):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > settings.body:
            parts.clear()
        else:
            parts.append(part)
        if size > settings.body * DISCARDED:
            break
    if size > settings.body:
        raise Refusal(
            413,
            "too_large",
            f"the body has over {settings.body:,} bytes, which is the most; raise body in [gateway]",
        )
    return b"".join(parts)


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*, which is cancelled when the client leaves; raises Gone then, and what *work* raises."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Gone
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def beside(size: int, work: Callable[..., T], *given: Any) -> T:
    """What *work* makes of *given*; in a thread where there is so much of it that the loop would stand still."""
    return await asyncio.to_thread(work, *given) if size > MUCH else work(*given)


def _nobody_counts(client: Client) -> bool:
    return False


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value.decode("latin-1"))
    return ""


def check_encoding(encoding: str) -> None:
    """Raise Refusal (415) for a body that is compressed: a small one may hold more than there is room for."""
    if encoding.strip().lower() not in ("", "identity"):
        raise Refusal(415, "content_encoding", f"send the body as it is, without {encoding[:60]!r} encoding")


def check_json(content_type: str) -> None:
    """Raise Refusal (415) unless a body of this type is JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in ("", "application/json"):
        raise Refusal(
            415, "content_type", f"the body is JSON: send content-type: application/json, not {kind[:60]!r}"
        )


def where(error: BaseException) -> str:
    """What *error* is and the line it comes from; its message may quote a prompt, and does not belong into a log."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
