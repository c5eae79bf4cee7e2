"""Anthropic's messages: the request that is read, and the answer that is written. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loom.web.body import read_json
from loom.web.call import CHAT, Call, Figures, Told, arguments_text
from loom.web.chat import MOST_MESSAGES, MOST_TOKENS, MOST_TOOLS, check_asked, chosen, event, read_stops, tool
from loom.web.fields import Fields
from loom.web.refusal import Refusal

READ = (
    "model", "messages", "system", "max_tokens", "stop_sequences", "temperature", "stream", "tools", "tool_choice",
    "output_config", "thinking",
)  # fmt: skip
WITHOUT_EFFECT = (
    "metadata",
    "service_tier",
    "top_p",
    "top_k",
    "cache_control",
    "inference_geo",
    "betas",
    "context_management",
)
STOPPED = {"end": "end_turn", "length": "max_tokens", "tools": "tool_use", "filtered": "refusal"}
CHOICES = {"auto": "auto", "any": "required", "tool": "required", "none": "none"}


def read_messages(data: bytes) -> Call:
    """The call in the body *data*; raises Refusal."""
    body = Fields(read_json(data))
    if body.has("thread"):
        raise _no_threads(body)
    body.only((*READ, *WITHOUT_EFFECT, "thread"))
    thinking = body.object("thinking")
    if thinking is not None and thinking.text("type") == "enabled":
        raise body.wrong("thinking", "cannot be enabled here; leave the field out", "unsupported_value")
    messages = [message for each in body.objects("messages", MOST_MESSAGES) for message in _messages(each)]
    check_asked(body, "messages", messages)
    if body.has("system"):
        messages.insert(0, {"role": "system", "content": _text(body, "system")})
    most = body.whole("max_tokens", 1, MOST_TOKENS)
    if most is None:
        raise body.wrong("max_tokens", "is missing")
    options: dict[str, Any] = {"max_tokens": most, "temperature": body.number("temperature", 0.0, 2.0)}
    options |= {"stop": read_stops(body, "stop_sequences"), **_schema(body), **_tools(body)}
    options = {name: value for name, value in options.items() if value is not None}
    choice = body.object("tool_choice")
    one = choice is not None and choice.flag("disable_parallel_tool_use")
    return Call(CHAT, body.text("model", most=200), messages, options, body.flag("stream"), one_tool=one)


def _no_threads(body: Fields) -> Refusal:
    """That nothing is kept, in the words by which Anthropic's client knows to send all of it."""
    code = "thread_unsupported_request"
    refusal = body.wrong("thread", "cannot be used here: nothing is kept; send the earlier messages", code)
    refusal.details = {"error_code": code, "unsupported": ["thread"]}
    return refusal


def _schema(body: Fields) -> dict[str, Any]:
    config = body.object("output_config")
    form = None if config is None else config.object("format")
    if form is None:
        return {}
    form.choice("type", ("json_schema",), "")
    schema = form.object("schema")
    if schema is None:
        raise form.wrong("schema", "is missing")
    return {"schema": dict(schema.values)}


def _messages(entry: Fields) -> list[dict[str, Any]]:
    """What one message says: tool results are messages of their own, before the text that stands beside them."""
    role = entry.choice("role", ("user", "assistant", "system"), "")
    if isinstance(entry.values.get("content"), str):
        return [{"role": role, "content": entry.text("content")}]
    blocks = list(entry.objects("content"))
    if not blocks and (role != "assistant" or not entry.has("content")):  # an answer may have been empty
        raise entry.wrong("content", "is missing or empty")
    texts, calls, results = _sorted_out(blocks, role)
    message: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
    if calls:
        message["tool_calls"] = calls
    return results + ([message] if texts or calls else [])


def _sorted_out(
    blocks: list[Fields], role: str
) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for block in blocks:
        kind = block.text("type")
        if kind == "text":
            texts.append(block.text("text"))
        elif kind == "tool_use" and role == "assistant":
            given = block.object("input")
            arguments = {} if given is None else dict(given.values)
            calls.append(
                {
                    "id": block.text("id", most=200),
                    "name": block.text("name", most=128),
                    "arguments": arguments,
                }
            )
        elif kind == "tool_result" and role == "user":
            content = _text(block, "content") if block.has("content") else ""
            results.append(
                {"role": "tool", "content": content, "tool_call_id": block.text("tool_use_id", most=200)}
            )
        elif kind not in ("thinking", "redacted_thinking"):  # what another model thought is not for this one
            raise block.wrong(
                "type",
                f"is {kind[:40]!r}, and only text and tools are taken: no pictures or files",
                "unsupported_value",
            )
    return texts, calls, results


def _text(holder: Fields, name: str) -> str:
    """A text, or the texts of a list of blocks."""
    if isinstance(holder.values.get(name), str):
        return holder.text(name)
    texts = []
    for block in holder.objects(name):
        kind = block.text("type")
        if kind != "text":
            said = f"is {kind[:40]!r}, and only text is taken: no pictures or files"
            raise block.wrong("type", said, "unsupported_value")
        texts.append(block.text("text"))
    return "\n".join(texts)


def _tools(body: Fields) -> dict[str, Any]:
    tools = [_tool(each) for each in body.objects("tools", MOST_TOOLS)]
    given = body.object("tool_choice")
    kind = "auto" if given is None else given.choice("type", tuple(CHOICES), "auto")
    only = given.text("name", most=128) if given is not None and kind == "tool" else ""
    if not tools:
        if CHOICES[kind] == "required":
            raise body.wrong("tool_choice", "asks for a tool, and there are no tools")
        return {}
    return chosen(body, tools, CHOICES[kind], only)


def _tool(entry: Fields) -> dict[str, Any]:
    kind = entry.text("type", "custom")
    if kind != "custom":
        raise entry.wrong(
            "type", f"is {kind[:40]!r}; the tools here are the client's own", "unsupported_value"
        )
    return tool(entry, entry.object("input_schema"))


def message(output: object, told: Told) -> dict[str, Any]:
    """The answer to a whole request."""
    figures = Figures(output)
    content: list[dict[str, Any]] = [{"type": "text", "text": figures.text}] if figures.text else []
    content += [_used(each, _arguments(each)) for each in figures.calls]
    made = _head(told, usage(figures), STOPPED.get(figures.stopped, "end_turn"))
    return {**made, "content": content, "loom": told.extension()}


def usage(figures: Figures) -> dict[str, int]:
    """Tokens as Anthropic counts them."""
    return {"input_tokens": figures.tokens_in, "output_tokens": figures.tokens_out}


def _head(told: Told, used: dict[str, int], stopped: str | None) -> dict[str, Any]:
    return {
        "id": told.id, "type": "message", "role": "assistant", "model": told.model, "content": [],
        "stop_reason": stopped, "stop_sequence": None, "usage": used,
    }  # fmt: skip


def _used(call: Mapping[str, Any], arguments: Any) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": str(call.get("id", "")),
        "name": str(call.get("name", "")),
        "input": arguments,
    }


def _arguments(call: Mapping[str, Any]) -> Any:
    found = call.get("arguments")
    if isinstance(found, Mapping):
        return found
    try:
        read = json.loads(arguments_text(call))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


class MessageStream:
    """The events of one streamed message."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._open = False

    def begin(self) -> bytes:
        """That a message begins."""
        return _event(
            "message_start", message=_head(self._told, {"input_tokens": 0, "output_tokens": 0}, None)
        )

    def piece(self, text: str) -> bytes:
        """One piece of text; the first one opens its block."""
        opened = b""
        if not self._open:
            self._open = True
            opened = _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        return opened + _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def end(self, output: object, told: Told) -> bytes:
        """The blocks of tools, why it ended, the figures."""
        figures = Figures(output)
        found = _event("content_block_stop", index=0) if self._open else b""
        for index, each in enumerate(figures.calls, int(self._open)):
            delta = {"type": "input_json_delta", "partial_json": arguments_text(each)}
            found += _event("content_block_start", index=index, content_block=_used(each, {}))
            found += _event("content_block_delta", index=index, delta=delta)
            found += _event("content_block_stop", index=index)
        why: dict[str, Any] = {"stop_reason": STOPPED.get(figures.stopped, "end_turn"), "stop_sequence": None}
        found += _event("message_delta", delta=why, usage=usage(figures), loom=told.extension())
        return found + _event("message_stop")

    def failed(self, refusal: Refusal) -> bytes:
        """What went wrong in the middle."""
        return event(refusal.anthropic(), "error")


def _event(kind: str, **values: Any) -> bytes:
    return event({"type": kind, **values}, kind)
