"""A model behind HTTP: any wire format over kept connections, seen by the router as one backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from loom.adapters._exchange import Exchange
from loom.adapters._json_fields import off_loop
from loom.adapters._model_call import Answer, Call, Reader, Talk, Wire
from loom.adapters._model_errors import Peer, Refusal, Status, failure, refusal
from loom.adapters._model_http import ModelHttp
from loom.adapters._served_models import ServedModels
from loom.adapters._server_signals import ServerSignals
from loom.adapters._sse_parser import Message, SseParser
from loom.adapters._vsr_headers import vsr_signals
from loom.errors import BackendFailed, NoBackend, RemoteTooLarge
from loom.event import Confidentiality
from loom.models import ModelReply, ModelRequest, Price

ERROR_BODY = 16_384
"""Bytes of a refusal that are read."""

LONGEST_MESSAGE = 2_097_152
"""Bytes of one message of a stream."""

LONGEST_NAME = 200
KINDS = frozenset({"text/html", "text/plain", "application/xml", "application/octet-stream", "audio/wav"})
"""Types of content that an error names."""

MOST_MESSAGES = 262_144
"""Messages of one stream: a token each, more or less."""


@dataclass(frozen=True, slots=True)
class About:
    """What a configuration says of a backend. *timeout*: seconds for a request that does not say itself.

    *model* is the name that is asked for, empty for the first that the server lists. *strict*: an answer of another
    model is an error.
    """

    name: str
    model: str = ""
    location: str = "cloud"
    clearance: Confidentiality = Confidentiality.PUBLIC
    price: Price | None = None
    quality: float | None = None
    context: int | None = None
    concurrency: int = 8
    timeout: float = 120.0
    strict: bool = False
    features: frozenset[str] = field(default_factory=frozenset)


class Link(NamedTuple):
    """What connects a backend with its server: sends calls, names it in errors, knows its models and its load."""

    http: ModelHttp
    peer: Peer
    served: ServedModels
    signals: ServerSignals


class RemoteModel:
    """Asks one server for the tasks of *wires*; `chat` comes in pieces too. See loom.models.Model."""

    streams = frozenset({"chat"})

    def __init__(
        self,
        about: About,
        link: Link,
        wires: Mapping[str, Wire],
    ) -> None:
        self.about = about
        self.name, self.location, self.clearance = about.name, about.location, about.clearance
        self.price, self.quality, self.concurrency = about.price, about.quality, about.concurrency
        self.features, self.tasks = about.features, frozenset(wires)
        self.streams = frozenset(wires) & RemoteModel.streams
        self.peer = link.peer
        self._http, self._wires = link.http, dict(wires)
        self._served, self._signals = link.served, link.signals
        self._counts = {"asked": 0, "failed": 0, "estimated": 0, "other_model": 0, "adapted": 0}

    @property
    def context(self) -> int | None:
        """Tokens of its context: as configured, else as the server said, None while it has not."""
        return self.about.context or self._served.context

    @property
    def secrets(self) -> tuple[str, ...]:
        """The keys that go with each request, for whoever sees to it that they go nowhere else."""
        return self.peer.secrets

    @property
    def signals(self) -> Mapping[str, float | str]:
        """What the server says of itself, at most ten seconds old: waiting, running, kv_cache, vsr.*."""
        return self._signals.now()

    def speak(self, wires: Mapping[str, Wire]) -> None:
        """From now on ask in these formats: the server turned out to be of another kind."""
        self._wires.update({task: wire for task, wire in wires.items() if task in self._wires})

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The answer. Raises NoBackend for a task that is not its own, ModelFailed for what cannot be asked.

        BackendFailed and BackendTimeout say what became of the request.
        """
        begun, first = _now(), None
        talk = await self._talk(request)
        async with self._counted():
            async with self._asked(request, talk, talk.pieces) as exchange:
                if _kind(exchange) == "text/event-stream":
                    answer, first = await self._gathered(exchange, talk.reader())
                else:
                    body = await exchange.read()
                    answer = await off_loop(len(body), talk.answer, exchange.headers, body)
            output, name = await self._checked(answer, exchange)
        return ModelReply(
            output,
            self.name,
            exchange.waited,
            (_now() - begun) * 1000,
            None if first is None else (first - begun) * 1000,
            answer.usage,
            0.0 if self.price is None else self.price.cost(answer.usage),
            model=name,
        )

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The pieces of the answer as they come, and the figures last. Raises like ``infer``.

        Closing it closes the connection, so that the server stops.
        """
        if request.task not in self.streams:
            able = ", ".join(sorted(self.streams)) or "nothing"
            raise NoBackend(f"model {self.name!r} streams {able}, not {request.task!r}")
        begun, first = _now(), None
        talk = await self._talk(request)
        async with self._counted():
            async with self._asked(request, talk, True) as exchange:
                reader = _Whole(talk, exchange) if _is_json(exchange) else talk.reader()
                async with aclosing(_pieces(exchange, reader)) as pieces:
                    async for piece in pieces:
                        first = first if first is not None else (_now() - begun) * 1000
                        yield {"text": piece}
            answer = reader.answer()
            output, name = await self._checked(answer, exchange)
        last = {**output, "text": "", "done": True, "model": name}
        yield last if first is None else {**last, "first_ms": round(first, 3)}

    async def warm(self) -> None:
        """Ask which models the server has, and open a connection by it; raises BackendFailed."""
        await self._served.first(self.about.timeout)

    async def close(self) -> None:
        """Close its connections."""
        await self._signals.close()
        await self._http.close()

    def statistics(self) -> Mapping[str, object]:
        """Requests asked and failed, answers with guessed usage and of other models, and the connections."""
        return {
            **self._counts,
            **self._http.statistics(),
            **self._signals.statistics(),
            "signals": self.signals,
        }

    def _wire(self, request: ModelRequest) -> Wire:
        wire = self._wires.get(request.task)
        if wire is None:
            raise NoBackend(f"model {self.name!r} does {', '.join(sorted(self.tasks))}, not {request.task!r}")
        return wire

    async def _talk(self, request: ModelRequest) -> Talk:
        """*request*, checked; the first time the server's list of models says what kind of server it is."""
        size = _size(request.input)
        talk: Talk = await off_loop(size, self._wire(request).talk, request)
        if self.about.model or self._served.known:
            return talk
        await self._served.first(self._time(request))
        again: Talk = await off_loop(size, self._wire(request).talk, request)
        return again

    def _time(self, request: ModelRequest) -> float:
        return self.about.timeout if request.timeout is None else request.timeout

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._counts["asked"] += 1
        try:
            yield
        except BackendFailed:
            self._counts["failed"] += 1
            raise

    @asynccontextmanager
    async def _asked(self, request: ModelRequest, talk: Talk, stream: bool) -> AsyncIterator[Exchange]:
        """The answer to *request*, which is one: any other status is raised as an error.

        A server that names a setting as the reason is asked again without it, and from then on.
        """
        timeout = self._time(request)
        deadline = _now() + timeout
        model = self.about.model or await self._served.first(timeout)
        self._signals.used()
        while True:
            call: Call = await off_loop(_size(request.input), talk.call, model, stream)
            async with self._http.open(call, deadline - _now()) as exchange:
                if 200 <= exchange.status < 300:
                    self._signals.told(vsr_signals(exchange.headers))
                    yield exchange
                    return
                said = refusal(await exchange.head(ERROR_BODY))
            wire = talk.adapted(said.words) if _names(exchange.status, said) else None
            if wire is None:
                raise await self._refused(call, exchange, said)
            self._wires[request.task], talk = wire, wire.talk(request)
            self._counts["adapted"] += 1

    async def _refused(self, call: Call, exchange: Exchange, said: Refusal) -> BackendFailed:
        if 300 <= exchange.status < 400:
            why = f"{self.peer.name} redirects ({exchange.status}), which is not followed; set `url` to where it leads"
            return BackendFailed(why, retryable=False, status=exchange.status)
        at = Status(exchange.status, exchange.headers, time.time())
        return await self._served.advised(failure(self.peer, at, said, call.prompt), said, self.about.model)

    async def _gathered(self, exchange: Exchange, reader: Reader) -> tuple[Answer, float | None]:
        """A stream as one answer, and when its first text came."""
        first = None
        async with aclosing(_pieces(exchange, reader)) as pieces:
            async for _ in pieces:
                first = _now() if first is None else first
        return reader.answer(), first

    async def _checked(self, answer: Answer, exchange: Exchange) -> tuple[dict[str, Any], str]:
        """The output, and the model's name; an answer of another one is noticed, and refused where that was wanted."""
        self._counts["estimated"] += answer.estimated
        told, asked = vsr_signals(exchange.headers), self.about.model
        output = {**answer.output, "signals": told} if told else answer.output
        name = answer.model if answer.model == asked else self.peer.shown(answer.model)[:LONGEST_NAME]
        if not asked or not name or same_model(asked, name):
            return output, name
        if self.about.strict:
            await self._served.glance()
        if self._served.same(asked, name):
            return output, name
        self._counts["other_model"] += 1
        if self.about.strict:
            what = f"{self.peer.name} was asked for {asked!r} and answered as {name!r}"
            raise BackendFailed(what, retryable=False, status=exchange.status)
        return {**output, "other_model": name}, name


def _names(status: int, said: Refusal) -> bool:
    """Whether a refusal may be about a setting; what a server that broke says is code, and names what it likes."""
    return status in (400, 422) or (status == 500 and "'response_format'" in said.words)


class _Whole:
    """A whole answer where a stream was asked for, as a stream of one piece."""

    def __init__(self, talk: Talk, exchange: Exchange) -> None:
        self.done = False
        self._talk, self._headers = talk, exchange.headers
        self._answer: Answer | None = None

    def whole(self, body: bytes) -> str:
        """Take all of it; returns its text."""
        self._answer = self._talk.answer(self._headers, body)
        return str(self._answer.output.get("text", ""))

    def take(self, message: Message) -> str:
        """Nothing: there are no messages."""
        return ""

    def answer(self) -> Answer:
        """All of it."""
        assert self._answer is not None
        return replace(self._answer)


async def _pieces(exchange: Exchange, reader: Reader) -> AsyncGenerator[str, None]:
    """The texts in a streamed answer; ends when the reader has understood all, or the body has ended."""
    if isinstance(reader, _Whole):
        yield reader.whole(await exchange.read())
        return
    if _kind(exchange) not in ("text/event-stream", ""):
        raise _unreadable(exchange, "a stream of events")
    parser, count = SseParser(LONGEST_MESSAGE), 0
    try:
        async with aclosing(exchange.chunks()) as chunks:
            async for chunk in chunks:
                for message in parser.feed(chunk):
                    count += 1
                    if piece := reader.take(message):
                        yield piece
                if count > MOST_MESSAGES:
                    raise RemoteTooLarge(f"a stream of more than {MOST_MESSAGES:,} messages")
                if reader.done:
                    exchange.understood = True
                    return
        for message in parser.feed(b"\n\n"):  # the last message of some servers has no end
            if piece := reader.take(message):
                yield piece
    except RemoteTooLarge as error:
        what = f"{exchange.who}: {error}"
        raise BackendFailed(what, retryable=False, status=exchange.status) from None


def same_model(asked: str, told: str) -> bool:
    """Whether a backend that says *told* answered for *asked*: the same name, a dated version of it, or its file."""
    one, other = asked.lower(), told.lower()
    if one == other or other.startswith((one + "-", one + ":", one + "@")):
        return True
    file = other.rpartition("/")[2].removesuffix(".gguf")
    return one.removesuffix(":latest") == other or file == one.rpartition("/")[2].removesuffix(".gguf")


def _unreadable(exchange: Exchange, wanted: str) -> BackendFailed:
    kind = _kind(exchange)
    shown = kind if kind in KINDS else "something else"  # a stranger's header may hold anything
    return BackendFailed(
        f"{exchange.who} answered {shown} and not {wanted}; is `url` that of an API (it mostly ends in /v1)?",
        retryable=False,
        status=exchange.status,
    )


def _kind(exchange: Exchange) -> str:
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_json(exchange: Exchange) -> bool:
    kind = _kind(exchange)
    return kind == "application/json" or kind.endswith("+json")


def _size(value: object) -> int:
    """About how many bytes there are in an input, for the question whether a thread is worth it."""
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, Mapping):
        return _size(value.get("content"))
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 0


def _now() -> float:
    return asyncio.get_running_loop().time()
