"""What is sent to a backend for one request, and what its answer means: the words of every wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from loom.adapters._sse_parser import Message
from loom.models import ModelRequest, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request below the backend's URL; *prompt* is what of it must be in no error text.

    One that is *outside* goes to what lies beside the API: below the URL without its ``/v1``.

    The answer to one with *stream* comes in pieces, between which the backend is not to be silent for long.
    """

    path: str
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    stream: bool = False
    outside: bool = False
    prompt: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: the *output* of the task, what it took, the name that the backend gives its model.

    *estimated*: the backend told no usage, and *usage* is a guess by the length of the texts.
    """

    output: dict[str, Any]
    usage: Usage
    model: str = ""
    estimated: bool = False


class Reader(Protocol):
    """Takes the messages of one streamed answer, one after the other."""

    @property
    def done(self) -> bool:
        """Whether the backend has said that this is all."""

    def take(self, message: Message) -> str:
        """The text that *message* adds; raises BackendFailed for what makes no sense."""

    def answer(self) -> Answer:
        """All of it, once the stream has ended; raises BackendFailed when it ended too early."""


class Talk(Protocol):
    """One request that was checked, on its way through one wire format.

    *pieces*: even who wants the answer whole asks for it in pieces, since this server does not notice otherwise that
    nobody waits any more.
    """

    @property
    def pieces(self) -> bool: ...

    def adapted(self, words: str) -> Wire | None:
        """The format without the setting that a refusal names in *words*; None when there is nothing to leave out.

        It leaves out more each time, so that asking again comes to an end.
        """

    def call(self, model: str, stream: bool) -> Call:
        """What to send to have *model* (empty: whichever it has) answer."""

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What a whole *body* says; raises BackendFailed for what makes no sense."""

    def reader(self) -> Reader:
        """What takes the pieces of a streamed answer."""


class Wire(Protocol):
    """How requests are written and answers are read for one task of one kind of server. Pure: no I/O, no clock."""

    def talk(self, request: ModelRequest) -> Talk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
