"""What the pieces of a chat answer add up to, whoever sent them and however they were cut. Pure."""

from __future__ import annotations

import math
from typing import Any

from loom.adapters._chat_asked import Asked
from loom.adapters._json_fields import read_value
from loom.adapters._model_call import Answer
from loom.adapters._model_errors import Peer, Refusal, broken_off
from loom.adapters._tool_names import ToolNames
from loom.errors import BackendFailed
from loom.models import Usage

MOST_CALLS = 128
MOST_ARGUMENTS = 1_048_576
"""Characters of all the arguments in one answer."""

SHOWN_ARGUMENTS = 2_000
LONGEST_TOKEN = 64
"""Characters of a token, at most: an answer of more than that for each token that was asked for has no end."""

MOST_TOKENS = 131_072
"""Tokens of an answer where the request does not say."""

PER_TOKEN = 4
"""Bytes of a token, where nobody has counted."""

STOPS = {
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tools",
    "function_call": "tools",
    "tool_use": "tools",
}


class Spoken:
    """The calls of tools in one answer, put together from pieces."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._calls: list[dict[str, str]] = []
        self._places: dict[int, int] = {}
        self._size = 0

    def call(self, place: int | None, id: str, name: str, arguments: str) -> None:
        """A piece of a call. *place* says which; without one an *id* that is new begins the next.

        Raises BackendFailed for more than is taken.
        """
        at = self._at(place, id, name)
        one = self._calls[at]
        one["id"] = one["id"] or id
        one["name"] = one["name"] or name
        one["arguments"] += arguments
        self._size += len(arguments)
        if self._size > MOST_ARGUMENTS:
            raise BackendFailed(f"{self._who} called tools with more than {MOST_ARGUMENTS:,} characters")

    def _at(self, place: int | None, id: str, name: str) -> int:
        at = self._places.get(place) if place is not None else (len(self._calls) - 1 if self._calls else None)
        if at is not None:
            one = self._calls[at]
            another = bool(id and one["id"] and id != one["id"])
            if not another and not (place is None and not id and name and one["name"]):
                return at
        if len(self._calls) >= MOST_CALLS:
            raise BackendFailed(f"{self._who} called more than {MOST_CALLS} tools at once")
        self._calls.append({"id": "", "name": "", "arguments": ""})
        if place is not None:
            self._places[place] = len(self._calls) - 1
        return len(self._calls) - 1

    def made(self, names: ToolNames) -> list[dict[str, Any]]:
        """The calls, with names as Loom has them and arguments as JSON has them.

        Arguments that are no JSON object are told in the call, as ``arguments_error`` with ``arguments_text``, and its
        ``arguments`` are empty: a model can be asked to write them again, an answer that was thrown away cannot.
        """
        return [self._one(each, names, at) for at, each in enumerate(self._calls) if each["name"]]

    def _one(self, call: dict[str, str], names: ToolNames, at: int) -> dict[str, Any]:
        made: dict[str, Any] = {"id": call["id"] or f"call_{at}", "name": names.back(call["name"])}
        wrong = ""
        try:
            arguments = read_value(call["arguments"].strip() or "{}", self._who)
        except BackendFailed as error:
            arguments, wrong = None, str(error).partition(" answered ")[2]
        if not isinstance(arguments, dict):
            wrong = wrong or f"the arguments are no object but {type(arguments).__name__}"
            shown = call["arguments"][:SHOWN_ARGUMENTS]
            return {**made, "arguments": {}, "arguments_error": wrong, "arguments_text": shown}
        return {**made, "arguments": arguments}


class Chat:
    """One answer as it grows: text, calls, probabilities, and why it ended."""

    def __init__(self, peer: Peer, asked: Asked) -> None:
        self.peer, self.spoken = peer, Spoken(peer.name)
        self.model = ""
        self.usage: Usage | None = None
        self.closed = False
        self._names, self._prompt = ToolNames(asked), asked.prompt
        self._texts: list[str] = []
        self._room = 4096 + LONGEST_TOKEN * (asked.max_tokens or MOST_TOKENS)
        self._finished = ""
        self._began = False
        self._logs, self._known = 0.0, 0

    def say(self, piece: str) -> str:
        """*piece*, remembered; raises BackendFailed when it is more than was asked for by far."""
        self._began = True
        self._room -= len(piece)
        if self._room < 0:
            raise BackendFailed(f"{self.peer.name} writes on far behind the limit of tokens", retryable=False)
        if piece:
            self._texts.append(piece)
        return piece

    def finish(self, reason: str) -> None:
        """The backend says why it ends."""
        self._finished = self._finished or reason

    def sure(self, logarithm: float) -> None:
        """One token with the logarithm of its probability."""
        self._logs += max(min(logarithm, 0.0), -50.0)
        self._known += 1

    def failed(self, said: Refusal) -> BackendFailed:
        """The error for a failure that is told inside an answer."""
        return broken_off(self.peer, said, self._prompt)

    def answer(self, *, require_end: bool = True) -> Answer:
        """All of it; raises BackendFailed for an answer without a choice, or one that was cut off."""
        if not self._began:
            raise BackendFailed(f"{self.peer.name} answered without a choice")
        if require_end and not (self.closed or self._finished):
            raise BackendFailed(f"{self.peer.name} ended its answer in the middle")
        output, calls = self._output(), self.spoken.made(self._names)
        if calls:
            output |= {"tool_calls": calls, "stopped": "tools"}
        elif output["stopped"] == "tools":
            output["stopped"] = "end"
        usage = self.usage or self._guess(output)
        output |= {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out}
        if self.usage is None:
            output["estimated"] = True
        return Answer(output, usage, self.model, self.usage is None)

    def _output(self) -> dict[str, Any]:
        output: dict[str, Any] = {
            "text": "".join(self._texts),
            "tokens_in": 0,
            "tokens_out": 0,
            "stopped": STOPS.get(self._finished, "end"),
        }
        if self._finished in ("content_filter", "refusal"):
            output["filtered"] = True
        if self._known:
            output["confidence"] = round(math.exp(self._logs / self._known), 4)
        return output

    def _guess(self, output: dict[str, Any]) -> Usage:
        read = sum(-(-len(each.encode("utf-8", "replace")) // PER_TOKEN) + 4 for each in self._prompt)
        written = "".join(self._texts) + str(output.get("tool_calls", ""))
        return Usage(read, -(-len(written.encode("utf-8", "replace")) // PER_TOKEN))
