"""OpenAI's chat completions: the request that is read, and the answer that is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from loom.web.body import read_json
from loom.web.call import CHAT, Call, Figures, Told, arguments_text
from loom.web.fields import Fields
from loom.web.refusal import Refusal
from loom.web.replying import json_text

MOST_MESSAGES = 4_000
MOST_TOOLS = 128
MOST_STOPS = 16
MOST_TOKENS = 10_000_000
READ = (
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "stop",
    "seed", "tools", "tool_choice", "response_format", "n", "parallel_tool_calls",
)  # fmt: skip
WITHOUT_EFFECT = (
    "user", "metadata", "store", "service_tier", "top_p", "presence_penalty", "frequency_penalty", "logit_bias",
    "reasoning_effort", "verbosity", "prompt_cache_key", "safety_identifier", "top_logprobs",
    "prompt_cache_retention", "prompt_cache_options", "top_k", "min_p", "repetition_penalty",
)  # fmt: skip
"""Fields that are taken and do nothing: no backend of every kind has them."""
REFUSED = {
    "logprobs": "log-probabilities are not passed on; leave the field out",
    "functions": "functions are the old form of tools; use tools",
    "function_call": "function_call is the old form of tool_choice; use tool_choice",
    "audio": "answers are text; use /v1/audio/speech for sound",
    "prediction": "predicted output is not supported; leave the field out",
    "web_search_options": "there is no web search; leave the field out",
}
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
STOPPED = {"end": "stop", "length": "length", "tools": "tool_calls", "filtered": "content_filter"}


def read_chat(data: bytes) -> Call:
    """The call in the body *data*; raises Refusal."""
    body = Fields(read_json(data))
    _check_fields(body)
    messages = [read_message(each) for each in body.objects("messages", MOST_MESSAGES)]
    check_asked(body, "messages", messages)
    streams = body.flag("stream")
    extra = body.object("stream_options")
    if extra is not None and not streams:
        raise body.wrong("stream_options", "is for streams only; set stream to true")
    options = {**read_sampling(body), **_schema(body), **read_tools(body)}
    usage = extra is not None and extra.flag("include_usage")
    one = not body.flag("parallel_tool_calls", default=True)
    return Call(CHAT, body.text("model", most=200), messages, options, streams, usage, one_tool=one)


def check_asked(body: Fields, name: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise Refusal when *messages*, of the field *name*, ask nothing: no backend would answer them."""
    if not messages:
        raise body.wrong(name, "is missing or empty; it is a list of messages, as {role, content}")
    last = messages[-1]
    says = last["role"] == "tool" or last.get("tool_calls") or last["content"].strip()
    if not says or all(each["role"] == "system" for each in messages):
        raise body.wrong(name, "asks nothing: the last message is empty, or all are the system's own")


def _check_fields(body: Fields) -> None:
    for name, why in REFUSED.items():
        if body.values.get(name):
            raise body.wrong(name, f"cannot be used here: {why}", "unsupported_value")
    body.only((*READ, *WITHOUT_EFFECT, *REFUSED, "modalities"))
    if body.has("modalities") and body.items("modalities") != ["text"]:
        raise body.wrong("modalities", 'is ["text"]: answers are text', "unsupported_value")
    if body.whole("n", 1, 1_000) not in (None, 1):
        raise body.wrong("n", "is 1: ask once for each answer", "unsupported_value")


def read_sampling(body: Fields) -> dict[str, Any]:
    """max_tokens, temperature, stop and seed, as models have them."""
    most = body.whole("max_completion_tokens", 1, MOST_TOKENS)
    found = {
        "max_tokens": most if most is not None else body.whole("max_tokens", 1, MOST_TOKENS),
        "temperature": body.number("temperature", 0.0, 2.0),
        "seed": body.whole("seed", -(2**63), 2**63),
        "stop": read_stops(body, "stop"),
    }
    if found["seed"] is not None:
        found["seed"] &= 0x7FFF_FFFF  # type: ignore[operator]  # what every backend takes
    return {name: value for name, value in found.items() if value is not None}


def read_stops(body: Fields, name: str) -> list[str] | None:
    """The texts that end an answer; None without."""
    value = body.values.get(name)
    if value is None:
        return None
    stops = [value] if isinstance(value, str) else body.items(name, MOST_STOPS)
    if any(not isinstance(each, str) or not each or len(each) > 200 for each in stops):
        raise body.wrong(name, "is a text, or a list of texts of 1 to 200 characters")
    return stops or None


def _schema(body: Fields) -> dict[str, Any]:
    form = body.object("response_format")
    if form is None:
        return {}
    kind = form.choice("type", ("text", "json_object", "json_schema"), "text")
    return schema_of(form.object("json_schema"), form, kind)


def schema_of(holder: Fields | None, form: Fields, kind: str) -> dict[str, Any]:
    """The option ``schema`` for an answer of *kind*; the schema itself is in *holder*."""
    if kind == "text":
        return {}
    if kind == "json_object":
        # where llama.cpp's clients put it, and Hugging Face's
        own = form.object("schema") or form.object("value")
        return {"schema": {"type": "object"} if own is None else dict(own.values)}
    schema = None if holder is None else holder.object("schema")
    if schema is None:
        raise form.wrong("json_schema", "needs a schema: {name, schema}")
    return {"schema": dict(schema.values)}


def read_tools(body: Fields) -> dict[str, Any]:
    """The options ``tools`` and ``tool_choice``; both absent without tools."""
    tools = [_tool(each) for each in body.objects("tools", MOST_TOOLS)]
    choice, only = _choice(body)
    if not tools:
        if only or choice == "required":
            raise body.wrong("tool_choice", "asks for a tool, and there are no tools")
        return {}
    return chosen(body, tools, choice, only)


def chosen(body: Fields, tools: list[dict[str, Any]], choice: str, only: str) -> dict[str, Any]:
    """The options for *tools* of which *choice* says how they are used; *only* names the one that must be."""
    names = [each["name"] for each in tools]
    if len(set(names)) != len(names):
        raise body.wrong("tools", "has two tools of one name")
    if only:
        if only not in names:
            raise body.wrong("tool_choice", f"names the tool {only[:80]!r}, which is not among the tools")
        return {"tools": [tools[names.index(only)]], "tool_choice": "required"}
    return {"tools": tools, "tool_choice": choice}


def tool(name: Fields, parameters: Fields | None) -> dict[str, Any]:
    """A tool as models have it, from the object that has its name and description."""
    shown = name.text("name", most=128)
    if not _TOOL.fullmatch(shown):
        raise name.wrong("name", f"is 1 to 64 letters, digits, _, . or -, not {shown!r:.80}")
    schema = {"type": "object", "properties": {}} if parameters is None else dict(parameters.values)
    return {"name": shown, "description": name.text("description", "", 20_000), "parameters": schema}


def _tool(entry: Fields) -> dict[str, Any]:
    if entry.text("type", "function") != "function":
        raise entry.wrong("type", "is 'function'; other tools are the server's own, and this one has none")
    function = entry.object("function")
    if function is None:
        raise entry.wrong("function", "is missing")
    return tool(function, function.object("parameters"))


def _choice(body: Fields) -> tuple[str, str]:
    if isinstance(body.values.get("tool_choice"), Mapping):
        choice = Fields(body.values["tool_choice"], "tool_choice.")
        function = choice.object("function")
        if function is None:
            raise choice.wrong("function", "is missing")
        return "required", function.text("name", most=128)
    return body.choice("tool_choice", ("auto", "none", "required"), "auto"), ""


def read_message(entry: Fields) -> dict[str, Any]:
    """One message as models have it."""
    role = entry.choice("role", ("system", "developer", "user", "assistant", "tool"), "")
    message: dict[str, Any] = {"role": "system" if role == "developer" else role, "content": ""}
    calls = [_call(each) for each in entry.objects("tool_calls", MOST_TOOLS)] if role == "assistant" else []
    if calls:
        message["tool_calls"] = calls
    if role == "assistant" and not entry.has("content") and entry.has("refusal"):
        message["content"] = entry.text("refusal")
    elif entry.has("content") or not calls:
        message["content"] = content_text(entry, "content", ("text", "refusal"))
    if role == "tool":
        message["tool_call_id"] = entry.text("tool_call_id", most=200)
    return message


def content_text(entry: Fields, name: str, kinds: tuple[str, ...]) -> str:
    """The text of a message's content: a text, or a list of parts of these *kinds*; raises Refusal for pictures."""
    if isinstance(entry.values.get(name), str):
        return entry.text(name)
    if not entry.has(name):
        raise entry.wrong(name, "is missing")
    parts = [_part(part, kinds) for part in entry.objects(name)]
    if not parts:
        raise entry.wrong(name, "is empty")
    return "\n".join(parts)


def _part(part: Fields, kinds: tuple[str, ...]) -> str:
    kind = part.text("type")
    if kind not in kinds:
        raise part.wrong(
            "type",
            f"is {kind[:40]!r}, and only text is taken: no pictures, files or sound",
            "unsupported_value",
        )
    return part.text("refusal" if kind == "refusal" else "text")


def _call(entry: Fields) -> dict[str, Any]:
    function = entry.object("function")
    if function is None:
        raise entry.wrong("function", "is missing")
    arguments = read_arguments(function.text("arguments", "{}"))
    return {"id": entry.text("id", most=200), "name": function.text("name", most=128), "arguments": arguments}


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments of an earlier tool call, from their JSON text; none where the model wrote what is no object."""
    try:
        return read_json(text.encode("utf-8", "replace"))
    except Refusal:  # the result that follows tells the model so
        return {}


def completion(output: object, told: Told) -> dict[str, Any]:
    """The answer to a whole request."""
    figures = Figures(output)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": figures.text or (None if figures.calls else ""),
    }
    if figures.calls:
        message["tool_calls"] = [_wire(each, None) for each in figures.calls]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": STOPPED.get(figures.stopped, "stop"),
    }
    return {
        "id": told.id, "object": "chat.completion", "created": told.created, "model": told.model, "choices": [choice],
        "usage": usage(figures), "loom": told.extension(),
    }  # fmt: skip


def usage(figures: Figures) -> dict[str, int]:
    """Tokens as OpenAI counts them."""
    read, written = figures.tokens_in, figures.tokens_out
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


class ChatStream:
    """The events of one streamed completion, as server-sent events."""

    def __init__(self, told: Told, usage: bool) -> None:
        self._told = told
        self._usage = usage

    def begin(self) -> bytes:
        """The first event: who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        """One piece of text."""
        return self._chunk({"content": text})

    def end(self, output: object, told: Told) -> bytes:
        """Tool calls, why it ended, the figures, and the end mark."""
        figures = Figures(output)
        found = b""
        if figures.calls:
            calls = [_wire(each, number) for number, each in enumerate(figures.calls)]
            found = self._chunk({"tool_calls": calls})
        extension = {"loom": told.extension()}
        found += self._chunk({}, STOPPED.get(figures.stopped, "stop"), {} if self._usage else extension)
        if self._usage:
            last = {**self._head(), "choices": [], "usage": usage(figures), **extension}
            found += event(last)
        return found + b"data: [DONE]\n\n"

    def failed(self, refusal: Refusal) -> bytes:
        """What went wrong in the middle."""
        return event(refusal.openai()) + b"data: [DONE]\n\n"

    def _head(self) -> dict[str, Any]:
        told = self._told
        return {
            "id": told.id,
            "object": "chat.completion.chunk",
            "created": told.created,
            "model": told.model,
        }

    def _chunk(
        self, delta: dict[str, Any], stopped: str | None = None, more: Mapping[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": stopped}
        head = {**self._head(), "choices": [choice]}
        if self._usage:
            head["usage"] = None
        return event({**head, **(more or {})})


def event(value: object, name: str = "") -> bytes:
    """*value* as one server-sent event, with an ``event:`` line if it has a *name*."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json_text(value)}\n\n".encode("utf-8", "replace")


def _wire(call: Mapping[str, Any], index: int | None) -> dict[str, Any]:
    function = {"name": str(call.get("name", "")), "arguments": arguments_text(call)}
    made = {"id": str(call.get("id", "")), "type": "function", "function": function}
    return made if index is None else {"index": index, **made}
