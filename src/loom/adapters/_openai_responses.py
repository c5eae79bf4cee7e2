"""The Responses API of OpenAI and of who is compatible with it: nothing is stored there. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from loom.adapters._chat_answer import Chat
from loom.adapters._chat_asked import Asked, Turn, chat_asked
from loom.adapters._json_fields import encode, fields, read_object, rows, text
from loom.adapters._model_call import Answer, Call
from loom.adapters._model_errors import Peer, told
from loom.adapters._openai_chat import JSON, usage
from loom.adapters._openai_dialects import Dialect
from loom.adapters._sse_parser import Message
from loom.adapters._tool_names import ToolNames
from loom.errors import ModelFailed
from loom.models import ModelRequest

TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


@dataclass(frozen=True, slots=True)
class ResponsesWire:
    """Chat by ``/responses``, which has no stop and no seed. See loom.adapters._model_call.Wire."""

    peer: Peer
    dialect: Dialect

    def talk(self, request: ModelRequest) -> ResponsesTalk:
        """*request*, checked; raises ModelFailed for what cannot be asked."""
        asked = chat_asked(request.input, request.options)
        for name, value in (("stop", asked.stop), ("seed", asked.seed)):
            if value not in ((), None):
                raise ModelFailed(f"the responses API has no {name}; set api = 'chat' for this backend")
        return ResponsesTalk(self.peer, self.dialect, asked)


@dataclass(frozen=True, slots=True)
class ResponsesTalk:
    """One response. See loom.adapters._model_call.Talk."""

    peer: Peer
    dialect: Dialect
    asked: Asked

    @property
    def pieces(self) -> bool:
        """Whether it is better asked for in pieces."""
        return self.dialect.pieces

    def adapted(self, words: str) -> ResponsesWire | None:
        """The format without the setting that a refusal names; None when it names none."""
        found = self.dialect.adapted(words) if "temperature" in words else None
        return None if found is None else ResponsesWire(self.peer, found)

    def call(self, model: str, stream: bool) -> Call:
        """What to send."""
        body = response_body(self.asked, model, self.dialect)
        if stream:
            body["stream"] = True
        return Call("/responses", encode(body), JSON, stream=stream, prompt=self.asked.prompt)

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What a whole body says; raises BackendFailed."""
        chat = Chat(self.peer, self.asked)
        _take_response(chat, read_object(body, self.peer.name), texts=True)
        return chat.answer(require_end=False)

    def reader(self) -> ResponsesReader:
        """What takes the events of a streamed answer."""
        return ResponsesReader(Chat(self.peer, self.asked))


class ResponsesReader:
    """One streamed response: texts by deltas, everything else from its last event."""

    def __init__(self, chat: Chat) -> None:
        self.done = False
        self._chat = chat
        self._items: list[Mapping[str, Any]] = []

    def take(self, message: Message) -> str:
        """The text that *message* adds; raises BackendFailed."""
        if self.done or not message.data.strip():
            return ""
        if message.data.strip() == "[DONE]":
            self.done = True
            return ""
        said = read_object(message.data, self._chat.peer.name)
        kind = text(said.get("type")) or message.event
        if kind in TEXTS:
            return self._chat.say(text(said.get("delta")))
        if kind == "error":
            raise self._chat.failed(told(said))
        if kind == "response.output_item.done" and len(self._items) < 1000:
            self._items.append(fields(said.get("item")))
        if kind in ENDS:
            self._end(fields(said.get("response")))
        return ""

    def answer(self) -> Answer:
        """All of it; raises BackendFailed when it ended too early."""
        return self._chat.answer()

    def _end(self, response: Mapping[str, Any]) -> None:
        output = rows(response.get("output")) or self._items
        _take_response(self._chat, {**response, "output": output}, texts=False)
        self.done = self._chat.closed = True


def response_body(asked: Asked, model: str, dialect: Dialect) -> dict[str, Any]:
    """The request as JSON has it, without what is left to the backend."""
    names = ToolNames(asked)
    tools = [
        {
            "type": "function",
            "name": names.sent(tool.name),
            "description": tool.description,
            "parameters": dict(tool.parameters),
            "strict": False,
        }
        for tool in asked.tools
    ]
    settings = {
        "model": model or None,
        "max_output_tokens": asked.max_tokens,
        "temperature": asked.temperature if dialect.temperature else None,
        "tools": tools or None,
        "tool_choice": asked.choice if tools and asked.choice != "auto" else None,
        "text": None if asked.schema is None else {"format": _format(asked.schema, dialect)},
    }
    body: dict[str, Any] = {
        "input": [item for turn in asked.turns for item in _items(turn, names)],
        "store": False,
    }
    return {**body, **{name: value for name, value in settings.items() if value is not None}}


def _format(schema: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    made = replace(dialect, formats=True).response_format(schema)
    return {"type": made["type"], **made["json_schema"]}


def _items(turn: Turn, names: ToolNames) -> list[dict[str, Any]]:
    if turn.role == "tool":
        return [{"type": "function_call_output", "call_id": turn.answers, "output": turn.content}]
    made: list[dict[str, Any]] = []
    if turn.content or not turn.calls:
        made.append({"role": turn.role, "content": turn.content})
    for each in turn.calls:
        arguments = json.dumps(dict(each.arguments))
        named = {"call_id": each.id, "name": names.sent(each.name), "arguments": arguments}
        made.append({"type": "function_call", **named})
    return made


def _take_response(chat: Chat, said: Mapping[str, Any], *, texts: bool) -> None:
    """Put what a whole response says into *chat*, with its *texts* unless they came before."""
    if said.get("error") or said.get("status") == "failed":
        raise chat.failed(told(said))
    chat.model = chat.model or text(said.get("model"))
    if isinstance(said.get("usage"), dict):
        chat.usage = usage(said["usage"])
    for place, item in enumerate(map(fields, rows(said.get("output")))):
        if item.get("type") == "function_call":
            chat.say("")
            chat.spoken.call(
                place, text(item.get("call_id")), text(item.get("name")), text(item.get("arguments"))
            )
        elif item.get("type") == "message":
            parts = map(fields, rows(item.get("content")))
            whole = "".join(text(part.get("text")) + text(part.get("refusal")) for part in parts)
            chat.say(whole if texts else "")
    reason = text(fields(said.get("incomplete_details")).get("reason"))
    ends = {"max_output_tokens": "length", "max_tokens": "length"}
    chat.finish(ends.get(reason, reason) or ("length" if said.get("status") == "incomplete" else "stop"))
