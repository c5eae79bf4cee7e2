"""Messages, as Anthropic and who is compatible with it write them: requests out, answers and events in. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loom.adapters._chat_answer import Chat
from loom.adapters._chat_asked import Asked, ToolCall, Turn, chat_asked
from loom.adapters._json_fields import count, encode, fields, read_object, rows, text
from loom.adapters._model_call import Answer, Call
from loom.adapters._model_errors import Peer, most_out, out_of_range, told
from loom.adapters._sse_parser import Message
from loom.adapters._tool_names import ToolNames
from loom.errors import ModelFailed
from loom.models import ModelRequest, Usage

JSON = {"content-type": "application/json"}
MAX_TOKENS = 8192
"""Tokens of an answer where the request does not say: this API wants a number, and counts what is thought."""

CHOICES = {"required": "any", "none": "none"}


@dataclass(frozen=True, slots=True)
class MessagesWire:
    """Chat by ``/messages``, which has no seed. See loom.adapters._model_call.Wire.

    With *pieces* even whole answers are asked for as streams: not every server notices otherwise that nobody waits.
    Without *temperature* none is sent. *max_tokens* goes with a request that does not say.
    """

    peer: Peer
    pieces: bool = False
    temperature: bool = True
    max_tokens: int = MAX_TOKENS

    def talk(self, request: ModelRequest) -> MessagesTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        asked = chat_asked(request.input, request.options)
        if asked.seed is not None:
            raise ModelFailed("the messages API has no seed; leave it out for this backend")
        if asked.temperature is not None and asked.temperature > 1:
            raise ModelFailed(f"temperature is 0 to 1 for this backend, not {asked.temperature:g}")
        return MessagesTalk(self, asked)


@dataclass(frozen=True, slots=True)
class MessagesTalk:
    """One message. See loom.adapters._model_call.Talk."""

    wire: MessagesWire
    asked: Asked

    @property
    def peer(self) -> Peer:
        """Who is asked."""
        return self.wire.peer

    @property
    def pieces(self) -> bool:
        """Whether it is better asked for in pieces."""
        return self.wire.pieces

    def adapted(self, words: str) -> MessagesWire | None:
        """The format without a temperature, which newer models refuse, or with fewer tokens; None for other *words*."""
        most = most_out(words)
        if most and self.asked.max_tokens is None and most < self.wire.max_tokens == MAX_TOKENS:  # once
            return replace(self.wire, max_tokens=most)
        named = "temperature" in words and not out_of_range(words)
        left = named and self.wire.temperature and self.asked.temperature is not None
        return replace(self.wire, temperature=False) if left else None

    def call(self, model: str, stream: bool) -> Call:
        """What to send."""
        body = messages_body(self.asked, model, self.wire.max_tokens)
        if not self.wire.temperature:
            body.pop("temperature", None)
        if stream:
            body["stream"] = True
        return Call("/messages", encode(body), JSON, stream=stream, prompt=self.asked.prompt)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What a whole body says; raises BackendFailed."""
        said = read_object(body, self.peer.name)
        chat = Chat(self.peer, self.asked)
        if said.get("type") == "error" or said.get("error"):
            raise chat.failed(told(said))
        _take_head(chat, said)
        if isinstance(said.get("content"), list):
            chat.say("")
        for place, block in enumerate(map(fields, rows(said.get("content")))):
            _take_block(chat, place, block)
        chat.finish(text(said.get("stop_reason")))
        return chat.answer(require_end=False)

    def reader(self) -> MessagesReader:
        """What takes the events of a streamed answer."""
        return MessagesReader(Chat(self.peer, self.asked))


class MessagesReader:
    """One streamed message."""

    def __init__(self, chat: Chat) -> None:
        self.done = False
        self._chat = chat

    def take(self, message: Message) -> str:
        """The text that *message* adds; raises BackendFailed."""
        if self.done or not message.data.strip() or message.event == "ping":
            return ""
        said = read_object(message.data, self._chat.peer.name)
        kind = text(said.get("type")) or message.event
        if kind == "error":
            raise self._chat.failed(told(said))
        if kind == "message_start":
            self._chat.say("")
            _take_head(self._chat, fields(said.get("message")))
        elif kind == "content_block_start":
            return _take_block(
                self._chat, count(said.get("index")), fields(said.get("content_block")), begins=True
            )
        elif kind == "content_block_delta":
            return self._delta(count(said.get("index")), fields(said.get("delta")))
        elif kind == "message_delta":
            self._chat.finish(text(fields(said.get("delta")).get("stop_reason")))
            _take_usage(self._chat, fields(said.get("usage")))
        elif kind == "message_stop":
            self.done = self._chat.closed = True
        return ""

    def answer(self) -> Answer:
        """All of it; raises BackendFailed when it ended too early."""
        return self._chat.answer()

    def _delta(self, place: int, delta: Mapping[str, Any]) -> str:
        if delta.get("type") == "text_delta":
            return self._chat.say(text(delta.get("text")))
        if delta.get("type") == "input_json_delta":
            self._chat.spoken.call(place, "", "", text(delta.get("partial_json")))
        return ""  # what it thinks is not part of the answer


def messages_body(asked: Asked, model: str, most: int = MAX_TOKENS) -> dict[str, Any]:
    """The request as JSON has it, without what is left to the backend."""
    names = ToolNames(asked)
    system = "\n\n".join(turn.content for turn in asked.turns if turn.role == "system" and turn.content)
    tools = [
        {
            "name": names.sent(tool.name),
            "description": tool.description,
            "input_schema": {"type": "object", **tool.parameters},
        }
        for tool in asked.tools
    ]
    settings = {
        "system": system or None,
        "temperature": asked.temperature,
        "stop_sequences": list(asked.stop) or None,
        "tools": tools or None,
        "tool_choice": {"type": CHOICES[asked.choice]} if tools and asked.choice in CHOICES else None,
        "output_config": None if asked.schema is None else {"format": _format(asked.schema)},
    }
    body = {"model": model, "max_tokens": asked.max_tokens or most, "messages": _messages(asked, names)}
    return {**body, **{name: value for name, value in settings.items() if value is not None}}


def _format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "schema": dict(schema)}


def _messages(asked: Asked, names: ToolNames) -> list[dict[str, Any]]:
    """The turns; those of one side that follow each other are one message, and answers of tools are the user's."""
    made: list[dict[str, Any]] = []
    for turn in asked.turns:
        if turn.role == "system":
            continue
        side = "assistant" if turn.role == "assistant" else "user"
        blocks = _blocks(turn, names)
        if made and made[-1]["role"] == side:
            made[-1]["content"] += blocks
        elif blocks:
            made.append({"role": side, "content": blocks})
    return made


def _blocks(turn: Turn, names: ToolNames) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"type": "tool_result", "tool_use_id": turn.answers, "content": turn.content}]
    made: list[dict[str, Any]] = [{"type": "text", "text": turn.content}] if turn.content.strip() else []
    return made + [_tool_use(each, names) for each in turn.calls]


def _tool_use(call: ToolCall, names: ToolNames) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": names.sent(call.name), "input": dict(call.arguments)}


def _take_head(chat: Chat, said: Mapping[str, Any]) -> None:
    chat.model = chat.model or text(said.get("model"))
    _take_usage(chat, fields(said.get("usage")))


def _take_usage(chat: Chat, said: Mapping[str, Any]) -> None:
    """Tokens read, from a cache or into one too, and written; the last word on each counts."""
    if not said:
        return
    known = chat.usage or Usage()
    read = sum(
        count(said.get(name))
        for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    )
    chat.usage = Usage(read or known.tokens_in, count(said.get("output_tokens")) or known.tokens_out)


def _take_block(chat: Chat, place: int, block: Mapping[str, Any], *, begins: bool = False) -> str:
    """One block of content; of one that only *begins* the arguments are still to come."""
    if block.get("type") == "text":
        return chat.say(text(block.get("text")))
    if block.get("type") == "tool_use":
        given = block.get("input")
        arguments = "" if begins and not given else json.dumps(given if isinstance(given, dict) else {})
        chat.spoken.call(place, text(block.get("id")), text(block.get("name")), arguments)
    return ""
