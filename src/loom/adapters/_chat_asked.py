"""A chat request as a remote backend gets it, checked: messages, tools and bounded settings. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loom.adapters._json_fields import whole
from loom.errors import ModelFailed

OPTIONS = ("system", "max_tokens", "temperature", "stop", "schema", "seed", "tools", "tool_choice")
ROLES = ("system", "user", "assistant", "tool")
CHOICES = ("auto", "none", "required")
MOST_MESSAGES = 10_000
MOST_TOOLS = 128
MOST_STOPS = 16
MOST_SCHEMA = 262_144
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that a model has made: *arguments* as JSON has them."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: *role* is system, user, assistant or tool; *answers* is the id of the call that a tool answers."""

    role: str
    content: str
    calls: tuple[ToolCall, ...] = ()
    answers: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call, with the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; None is left to the backend."""

    turns: tuple[Turn, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    seed: int | None = None
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"

    @property
    def prompt(self) -> tuple[str, ...]:
        """Every text that was somebody's: what an error may not repeat."""
        return tuple(turn.content for turn in self.turns if turn.content)


def chat_asked(input: object, options: Mapping[str, Any]) -> Asked:
    """The request in *input* (a str, or a list of messages) and *options*; raises ModelFailed for what is none."""
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise ModelFailed(f"chat has no option {unknown[0]!r:.60}; it has {', '.join(OPTIONS)}")
    turns = _turns(input)
    if options.get("system") is not None:
        turns = (Turn("system", _text(options["system"], "system")), *turns)
    if all(turn.role == "system" for turn in turns) or not _says(turns[-1]):
        raise ModelFailed("nothing is asked: the last message is empty, or the system's own")
    tools = _tools(options.get("tools"))
    return Asked(
        turns,
        _whole_number(options, "max_tokens", 1, 10_000_000),
        _number(options, "temperature", 0.0, 5.0),
        _stops(options.get("stop")),
        _schema(options.get("schema"), "schema"),
        _whole_number(options, "seed", 0, 2**63 - 1),
        tools,
        _choice(options.get("tool_choice"), tools),
    )


def _turns(input: object) -> tuple[Turn, ...]:
    if isinstance(input, str):
        return (Turn("user", _text(input, "input")),)
    if not isinstance(input, list | tuple) or not input:
        raise ModelFailed(f"chat takes a str or a list of messages, not {_kind(input)}")
    if len(input) > MOST_MESSAGES:
        raise ModelFailed(f"{len(input):,} messages are over the limit of {MOST_MESSAGES:,}")
    return tuple(_turn(each) for each in input)


def _turn(each: object) -> Turn:
    if not isinstance(each, Mapping) or "role" not in each:
        raise ModelFailed('a message is {"role": ..., "content": ...}, not ' + _kind(each))
    role = each["role"]
    if role not in ROLES:
        raise ModelFailed(f"a message's role is {', '.join(ROLES)}, not {str(role)!r:.40}")
    calls = tuple(_call(one) for one in each.get("tool_calls") or ())
    content = each.get("content")
    if content is None and calls:
        content = ""
    answers = each.get("tool_call_id", "")
    if role == "tool" and (not isinstance(answers, str) or not answers):
        raise ModelFailed('a message of a tool has "tool_call_id": the id of the call that it answers')
    return Turn(role, _text(content, "content"), calls, answers if role == "tool" else "")


def _call(one: object) -> ToolCall:
    made = one if isinstance(one, Mapping) else {}
    id, name, arguments = made.get("id"), made.get("name"), made.get("arguments", {})
    if not isinstance(id, str) or not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise ModelFailed('a tool call is {"id": str, "name": str, "arguments": dict}, not ' + _kind(one))
    return ToolCall(id, name, _schema(arguments, "arguments") or {})


def _says(turn: Turn) -> bool:
    return bool(turn.content.strip() or turn.calls or turn.role == "tool")


def _tools(value: object) -> tuple[Tool, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_TOOLS:
        raise ModelFailed(f"tools is a list of at most {MOST_TOOLS}, not {_kind(value)}")
    tools = tuple(_tool(each) for each in value)
    names = [tool.name for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ModelFailed(f"two tools are called {min(twice)!r}")
    return tools


def _tool(each: object) -> Tool:
    if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
        raise ModelFailed('a tool is {"name", "description", "parameters"}, not ' + _kind(each))
    if not _NAME.match(each["name"]):
        raise ModelFailed(f"a tool's name has 1 to 64 letters, digits, _, . or -, not {each['name']!r:.80}")
    parameters = each.get("parameters") or {"type": "object", "properties": {}}
    described = _text(each.get("description", ""), "description")
    return Tool(each["name"], described, _schema(parameters, "parameters") or {})


def _choice(value: object, tools: Sequence[Tool]) -> str:
    if value is None:
        return "auto"
    if value not in CHOICES:
        raise ModelFailed(f"tool_choice is {', '.join(CHOICES)}, not {str(value)!r:.40}")
    if value == "required" and not tools:
        raise ModelFailed("tool_choice is 'required', but there are no tools")
    return str(value)


def _text(value: object, what: str) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        raise ModelFailed(f"{what} is text, not bytes; decode them first, as UTF-8 for instance")
    if not isinstance(value, str):
        raise ModelFailed(f"{what} is text, not {_kind(value)}")
    return whole(value.replace("\0", ""))


def _number(options: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ModelFailed(f"{name} is a number from {least:g} to {most:g}, not {str(value)[:40]}")
    return value


def _whole_number(options: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = _number(options, name, least, most)
    return None if value is None else int(value)


def _stops(value: object) -> tuple[str, ...]:
    stops: Any = [value] if isinstance(value, str) else value or []
    good = isinstance(stops, list | tuple) and len(stops) <= MOST_STOPS
    if not good or not all(isinstance(each, str) and 0 < len(each) <= 200 for each in stops):
        raise ModelFailed(
            f"stop is a str or a list of at most {MOST_STOPS}, none empty or over 200 characters"
        )
    return tuple(whole(each) for each in stops)


def _schema(value: object, what: str) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ModelFailed(f"{what} is a dict as JSON has it, not {_kind(value)}")
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFailed(f"{what} has no JSON form: {type(error).__name__}") from None
    if size > MOST_SCHEMA:
        raise ModelFailed(f"{what} has {size:,} characters, at most {MOST_SCHEMA:,} are taken")
    return value


def _kind(value: object) -> str:
    return type(value).__name__
