"""Chat completions, as OpenAI and everybody who is compatible with it write them: requests out, answers in. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loom.adapters._chat_answer import Chat, Spoken
from loom.adapters._chat_asked import Asked, Tool, Turn, chat_asked
from loom.adapters._json_fields import count, encode, fields, number, read_object, rows, text
from loom.adapters._model_call import Answer, Call
from loom.adapters._model_errors import Peer, told
from loom.adapters._openai_dialects import Dialect
from loom.adapters._sse_parser import Message
from loom.adapters._tool_names import ToolNames
from loom.models import ModelRequest, Usage

JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class ChatWire:
    """Chat in one *dialect* with *peer*. See loom.adapters._model_call.Wire."""

    peer: Peer
    dialect: Dialect

    def talk(self, request: ModelRequest) -> ChatTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        return ChatTalk(self.peer, self.dialect, chat_asked(request.input, request.options))


@dataclass(frozen=True, slots=True)
class ChatTalk:
    """One chat completion. See loom.adapters._model_call.Talk."""

    peer: Peer
    dialect: Dialect
    asked: Asked

    @property
    def pieces(self) -> bool:
        """Whether it is better asked for in pieces."""
        return self.dialect.pieces

    def adapted(self, words: str) -> ChatWire | None:
        """The format without the setting that a refusal names; None when it names none."""
        found = self.dialect.adapted(words)
        return None if found is None else ChatWire(self.peer, found)

    def call(self, model: str, stream: bool) -> Call:
        """What to send."""
        body = chat_body(self.asked, model, self.dialect)
        if stream:
            body["stream"] = True
            if self.dialect.usage:
                body["stream_options"] = {"include_usage": True}
            if self.asked.tools:
                body.pop("logprobs", None)  # llama-server refuses the three together
        return Call("/chat/completions", encode(body), JSON, stream=stream, prompt=self.asked.prompt)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What a whole body says; raises BackendFailed."""
        chat = Chat(self.peer, self.asked)
        _take(chat, read_object(body, self.peer.name), "message")
        return chat.answer(require_end=False)

    def reader(self) -> ChatReader:
        """What takes the pieces of a streamed answer."""
        return ChatReader(Chat(self.peer, self.asked))


class ChatReader:
    """One streamed chat completion."""

    def __init__(self, chat: Chat) -> None:
        self.done = False
        self._chat = chat

    def take(self, message: Message) -> str:
        """The text that *message* adds; raises BackendFailed."""
        if self.done:
            return ""
        if message.data.strip() == "[DONE]":
            self.done = self._chat.closed = True
            return ""
        if not message.data.strip():
            return ""
        return _take(self._chat, read_object(message.data, self._chat.peer.name), "delta")

    def answer(self) -> Answer:
        """All of it; raises BackendFailed when it ended too early."""
        return self._chat.answer()


def chat_body(asked: Asked, model: str, dialect: Dialect) -> dict[str, Any]:
    """The request as JSON has it, without what is left to the backend."""
    names = ToolNames(asked)
    body: dict[str, Any] = {"messages": [_message(turn, names) for turn in asked.turns]}
    settings = {
        "model": model or None,
        dialect.max_tokens: asked.max_tokens,
        "temperature": asked.temperature if dialect.temperature else None,
        "stop": list(asked.stop) or None,
        "seed": asked.seed,
        "logprobs": True if dialect.logprobs else None,
        "response_format": None if asked.schema is None else dialect.response_format(asked.schema),
        "tools": [_tool(tool, names) for tool in asked.tools] or None,
        "tool_choice": asked.choice if asked.tools and asked.choice != "auto" else None,
    }
    return {**body, **{name: value for name, value in settings.items() if value is not None}}


def _message(turn: Turn, names: ToolNames) -> dict[str, Any]:
    made: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.role == "tool":
        made["tool_call_id"] = turn.answers
    if turn.calls:
        made["content"] = turn.content or None
        made["tool_calls"] = [
            {
                "id": each.id,
                "type": "function",
                "function": {"name": names.sent(each.name), "arguments": json.dumps(dict(each.arguments))},
            }
            for each in turn.calls
        ]
    return made


def _tool(tool: Tool, names: ToolNames) -> dict[str, Any]:
    function: dict[str, Any] = {"name": names.sent(tool.name), "parameters": dict(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _take(chat: Chat, said: Mapping[str, Any], part: str) -> str:
    """Put what one object says into *chat*; *part* is ``message`` or, in a stream, ``delta``."""
    if said.get("error") or said.get("object") == "error":
        raise chat.failed(told(said))
    chat.model = chat.model or text(said.get("model"))
    if isinstance(said.get("usage"), dict):
        chat.usage = usage(said["usage"])
    added = ""
    for choice in map(fields, rows(said.get("choices"))):
        if count(choice.get("index")):
            continue  # one answer was asked for
        piece = fields(choice.get(part))
        added += chat.say(_content(piece.get("content")) + text(piece.get("refusal")))
        for each in rows(piece.get("tool_calls")):
            _take_call(chat.spoken, fields(each))
        _take_logprobs(chat, fields(choice.get("logprobs")))
        chat.finish(text(choice.get("finish_reason")))
    return added


def _take_call(spoken: Spoken, said: Mapping[str, Any]) -> None:
    function = fields(said.get("function"))
    index = said.get("index")
    arguments = function.get("arguments")
    written = (
        json.dumps(arguments) if isinstance(arguments, dict) else text(arguments)
    )  # some send them parsed
    place = index if isinstance(index, int) and not isinstance(index, bool) else None
    spoken.call(place, text(said.get("id")), text(function.get("name")), written)


def _take_logprobs(chat: Chat, said: Mapping[str, Any]) -> None:
    for each in rows(said.get("content")):
        found = number(fields(each).get("logprob"))
        if found is not None:
            chat.sure(found)


def _content(value: object) -> str:
    """The text of a message's content, which some send in parts."""
    parts: Sequence[Any] = rows(value)
    return text(value) or "".join(text(fields(part).get("text")) for part in parts)


def usage(said: Mapping[str, Any]) -> Usage:
    """Tokens in and out, by either of their names."""
    read = count(said.get("prompt_tokens")) or count(said.get("input_tokens"))
    return Usage(read, count(said.get("completion_tokens")) or count(said.get("output_tokens")))
