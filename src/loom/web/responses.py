"""OpenAI's responses: the request that is read, and the answer that is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loom.web.body import read_json
from loom.web.call import CHAT, Call, Figures, Told, arguments_text
from loom.web.chat import (
    MOST_MESSAGES,
    MOST_TOKENS,
    MOST_TOOLS,
    check_asked,
    chosen,
    content_text,
    read_arguments,
    schema_of,
    tool,
)
from loom.web.fields import Fields

READ = (
    "model", "input", "instructions", "stream", "max_output_tokens", "temperature", "text", "tools", "tool_choice",
    "stream_options", "parallel_tool_calls",
)  # fmt: skip
WITHOUT_EFFECT = (
    "user", "metadata", "store", "service_tier", "top_p", "reasoning", "truncation", "include",
    "prompt_cache_key", "safety_identifier", "max_tool_calls", "top_logprobs", "prompt_cache_retention",
    "prompt_cache_options", "client_metadata", "context_management",
)  # fmt: skip
REFUSED = {
    "previous_response_id": "no answers are kept here; send the earlier items in input",
    "conversation": "no conversations are kept here; send the earlier items in input",
    "background": "there is no work in the background; leave the field out",
    "prompt": "no prompts are kept here; send instructions and input",
}
TEXTS = ("input_text", "output_text", "text", "refusal")


def read_response(data: bytes) -> Call:
    """The call in the body *data*; raises Refusal."""
    body = Fields(read_json(data))
    for name, why in REFUSED.items():
        if body.values.get(name):
            raise body.wrong(name, f"cannot be used here: {why}", "unsupported_value")
    body.only((*READ, *WITHOUT_EFFECT, *REFUSED))
    messages = _messages(body)
    check_asked(body, "input", messages)
    if body.has("instructions"):
        messages.insert(0, {"role": "system", "content": body.text("instructions")})
    options = {
        "max_tokens": body.whole("max_output_tokens", 1, MOST_TOKENS),
        "temperature": body.number("temperature", 0.0, 2.0),
        **_schema(body),
        **_tools(body),
    }
    options = {name: value for name, value in options.items() if value is not None}
    one = not body.flag("parallel_tool_calls", default=True)
    return Call(CHAT, body.text("model", most=200), messages, options, body.flag("stream"), one_tool=one)


def _messages(body: Fields) -> list[dict[str, Any]]:
    if isinstance(body.values.get("input"), str):
        return [{"role": "user", "content": body.text("input")}]
    messages: list[dict[str, Any]] = []
    for item in body.objects("input", MOST_MESSAGES):
        _take(messages, item)
    return messages


def _take(messages: list[dict[str, Any]], item: Fields) -> None:
    """Add what *item* says to *messages*; the tool calls of one turn are one message."""
    kind = item.text("type", "message")
    if kind == "message":
        role = item.choice("role", ("system", "developer", "user", "assistant"), "")
        role = "system" if role == "developer" else role
        messages.append({"role": role, "content": content_text(item, "content", TEXTS)})
    elif kind == "function_call":
        if not messages or messages[-1]["role"] != "assistant":
            messages.append({"role": "assistant", "content": ""})
        arguments = read_arguments(item.text("arguments", "{}"))
        call = {
            "id": item.text("call_id", most=200),
            "name": item.text("name", most=128),
            "arguments": arguments,
        }
        messages[-1].setdefault("tool_calls", []).append(call)
    elif kind == "function_call_output":
        content = content_text(item, "output", TEXTS)
        messages.append({"role": "tool", "content": content, "tool_call_id": item.text("call_id", most=200)})
    elif kind == "item_reference":
        raise item.wrong(
            "type",
            "is 'item_reference', and no items are kept here: send them whole, as clients do with store=false",
            "unsupported_value",
        )
    elif kind != "reasoning":  # what another model thought is not for this one
        raise item.wrong(
            "type", f"is {kind[:40]!r}; messages and function calls are taken", "unsupported_value"
        )


def _schema(body: Fields) -> dict[str, Any]:
    text = body.object("text")
    form = None if text is None else text.object("format")
    if form is None:
        return {}
    return schema_of(form, form, form.choice("type", ("text", "json_object", "json_schema"), "text"))


def _tools(body: Fields) -> dict[str, Any]:
    tools = [_tool(each) for each in body.objects("tools", MOST_TOOLS)]
    only = ""
    if isinstance(body.values.get("tool_choice"), Mapping):
        only = Fields(body.values["tool_choice"], "tool_choice.").text("name", most=128)
    choice = "required" if only else body.choice("tool_choice", ("auto", "none", "required"), "auto")
    if not tools:
        if choice == "required":
            raise body.wrong("tool_choice", "asks for a tool, and there are no tools")
        return {}
    return chosen(body, tools, choice, only)


def _tool(entry: Fields) -> dict[str, Any]:
    kind = entry.text("type", "function")
    if kind != "function":
        raise entry.wrong("type", f"is {kind[:40]!r}; the tools here are functions", "unsupported_value")
    return tool(entry, entry.object("parameters"))


def response(output: object, told: Told) -> dict[str, Any]:
    """The answer to a whole request."""
    figures = Figures(output)
    items = [message_item(told, figures.text)] if figures.text or not figures.calls else []
    items += [call_item(told, number, each) for number, each in enumerate(figures.calls)]
    return {**head(told, ending(figures), cause(figures)), "output": items, "usage": usage(figures)}


def ending(figures: Figures) -> str:
    """The status of an answer that has ended."""
    return "incomplete" if figures.stopped in ("length", "filtered") else "completed"


def cause(figures: Figures) -> str:
    """Why it is incomplete, when it is."""
    return "content_filter" if figures.stopped == "filtered" else "max_output_tokens"


def head(told: Told, status: str, why: str = "max_output_tokens") -> dict[str, Any]:
    """A response object without its output."""
    details = {"reason": why} if status == "incomplete" else None
    return {
        "id": told.id, "object": "response", "created_at": told.created, "status": status, "error": None,
        "incomplete_details": details, "instructions": None, "max_output_tokens": None, "model": told.model,
        "output": [], "parallel_tool_calls": True, "previous_response_id": None, "store": False, "temperature": None,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": None,
        "truncation": "disabled", "usage": None, "metadata": {}, "loom": told.extension(),
    }  # fmt: skip


def message_item(told: Told, text: str, status: str = "completed") -> dict[str, Any]:
    """The item that holds the text of the answer."""
    content = [text_part(text)] if status == "completed" else []
    name = told.id.replace("resp_", "msg_", 1)
    return {"type": "message", "id": name, "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    """The part of an item that is text."""
    return {"type": "output_text", "text": text, "annotations": []}


def call_item(told: Told, number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    """The item that is a call of a function."""
    name = told.id.replace("resp_", "fc_", 1)
    return {
        "type": "function_call", "id": f"{name}_{number}", "call_id": str(call.get("id", "")), "status": "completed",
        "name": str(call.get("name", "")), "arguments": arguments_text(call),
    }  # fmt: skip


def usage(figures: Figures) -> dict[str, Any]:
    """Tokens as responses count them."""
    read, written = figures.tokens_in, figures.tokens_out
    return {
        "input_tokens": read, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": read + written,
    }  # fmt: skip
