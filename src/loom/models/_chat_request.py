"""A chat request, checked: what somebody sent becomes messages and bounded settings, or a clear refusal. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loom.errors import ModelFailed
from loom.models._chat_context import Message
from loom.models._chat_tools import choice_of, constraint, spoken, told, tools_of

ROLES = ("system", "user", "assistant", "tool")
OPTIONS = ("system", "max_tokens", "temperature", "stop", "schema", "seed", "tools", "tool_choice")
SHORT, LONG = 128, 512
"""Tokens of an answer where nothing is said: of plain text, and of JSON, which is no use when it is cut off."""
MOST_STOPS = 16
MOST_SCHEMA = 32_000
MOST_REPEATS = 1_000
DEEPEST_SCHEMA = 64
REPEATS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """Messages, the system message first, and how to answer: *temperature* 0 always gives the same answer.

    *tools*: the answer is JSON that calls one of them or holds the answer, see ``_chat_tools.heard``.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 128
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    seed: int = 0
    tools: bool = False


def chat_request(input: object, options: Mapping[str, Any], system: str, context: int) -> ChatRequest:
    """The request in *input* (a str, or a list of {"role", "content"}) and *options*; raises ModelFailed.

    *system* is the model's own system message, for requests without one; *context* bounds max_tokens (half of it).
    """
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ModelFailed(f"chat has no option {unknown[0]!r}; it has {', '.join(OPTIONS)}")
    messages = _messages(input)
    if options.get("system") is not None:
        messages = (Message("system", _text(options["system"], "system")), *messages)
    elif messages[0].role != "system" and system:
        messages = (Message("system", system), *messages)
    if not messages[-1].content.strip() or messages[-1].role == "system":
        raise ModelFailed("nothing is asked: the last message is empty, or the system's own")
    tools, choice = tools_of(options.get("tools")), choice_of(options.get("tool_choice"))
    schema = _schema(options.get("schema"))
    if tools and choice != "none":
        messages, schema = _with_tools(messages, told(tools)), _schema(constraint(tools, schema, choice))
    return ChatRequest(
        messages,
        min(
            int(_number(options, "max_tokens", LONG if schema else SHORT, 1, 1_000_000)), max(1, context // 2)
        ),
        _number(options, "temperature", 0.0, 0.0, 5.0),
        _stops(options.get("stop")),
        schema,
        int(_number(options, "seed", 0, 0, 2**31)),
        bool(tools) and choice != "none",
    )


def _with_tools(messages: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    first = messages[0]
    if first.role != "system":
        return (Message("system", words), *messages)
    return (Message("system", f"{first.content}\n\n{words}"), *messages[1:])


def defused(text: str, controls: Sequence[str]) -> str:
    """*text* in which none of the *controls* (a model's control tokens, such as <|im_end|>) can be read as one.

    Each gets a space after its first character, so that a sentence cannot end its turn and speak as the system.
    """
    tokens = sorted((each for each in controls if each), key=len, reverse=True)
    if not tokens:
        return text
    pattern = re.compile("|".join(map(re.escape, tokens)))
    for _ in range(3):  # a gap may make another token, but hardly twice
        text, found = pattern.subn(lambda match: f"{match[0][0]} {match[0][1:]}", text)
        if not found:
            return text
    while pattern.search(text):
        text = pattern.sub("", text)
    return text


def _messages(input: object) -> tuple[Message, ...]:
    if isinstance(input, str):
        return (Message("user", _text(input, "input")),)
    if not isinstance(input, list) or not input:
        raise ModelFailed(f"chat takes a str or a list of messages, not {_name(input)}")
    return tuple(_message(each) for each in input)


def _message(each: object) -> Message:
    if not isinstance(each, Mapping) or not {"role", "content"} <= set(each) or set(each) - _MORE:
        raise ModelFailed('a message is {"role": ..., "content": ...}, not ' + _name(each))
    if each["role"] not in ROLES:
        raise ModelFailed(f"a message's role is {', '.join(ROLES)}, not {str(each['role'])[:40]!r}")
    content = _text(each["content"], "content")
    if each["role"] == "assistant":
        content = _text(spoken(content, each.get("tool_calls")), "tool_calls")
    return Message(each["role"], f"Result: {content}" if each["role"] == "tool" else content)


_MORE = {"role", "content", "tool_calls", "tool_call_id"}


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ModelFailed(f"{what} is text, not {_name(value)}")
    return value.replace("\0", "").encode("utf-8", "replace").decode()  # half surrogates are no text


def _number(options: Mapping[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ModelFailed(f"{name} is a number from {least:g} to {most:g}, not {str(value)[:40]}")
    return value


def _stops(value: object) -> tuple[str, ...]:
    stops: Any = [value] if isinstance(value, str) else value or []
    good = isinstance(stops, list) and len(stops) <= MOST_STOPS
    if not good or not all(isinstance(each, str) and 0 < len(each) <= 200 for each in stops):
        raise ModelFailed(
            f"stop is a str or a list of at most {MOST_STOPS}, none empty or over 200 characters"
        )
    return tuple(stops)


def _schema(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ModelFailed(f"schema is a JSON schema, not {_name(value)}")
    _check_repeats(value)
    size = len(json.dumps(value))
    if size > MOST_SCHEMA:
        raise ModelFailed(f"the schema has {size:,} characters, at most {MOST_SCHEMA:,} are taken")
    return value


def _check_repeats(schema: object, depth: int = 0) -> None:
    # each repeat becomes a rule of the grammar: a billion of them would take the memory
    if depth > DEEPEST_SCHEMA:
        raise ModelFailed(f"the schema is nested more than {DEEPEST_SCHEMA} deep")
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            if name in REPEATS and isinstance(value, int) and value > MOST_REPEATS:
                raise ModelFailed(f"{name} of the schema is {value}, at most {MOST_REPEATS} are taken")
            _check_repeats(value, depth + 1)
    elif isinstance(schema, list):
        for value in schema:
            _check_repeats(value, depth + 1)


def _name(value: object) -> str:
    return type(value).__name__
