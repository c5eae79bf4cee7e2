"""Tools: the actions that a model may choose from, the calls found in its reply, and what it is told of them. Pure."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from loom.actions import Action
from loom.actions.registry import granted, nearest
from loom.agent._json_schema import fault
from loom.errors import ConfigError
from loom.event import Event

MOST_TOOLS = 128
MOST_CALLS = 16  # of one reply
LONGEST_ARGUMENTS = 65_536  # characters
LONGEST_TOLD = 500  # characters of an error
LONGEST_NAME = 64
_DESCRIPTION = 1_000


class Tool(NamedTuple):
    """One thing a model may do: *name* is what it calls it by, *action* what is run, None for what Loom does itself."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    action: Action | None = None

    def wire(self) -> dict[str, Any]:
        """As a backend takes it."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


class Call(NamedTuple):
    """A call that a model asks for; *arguments* is None when they are no JSON object, *wrong* says why."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    wrong: str = ""

    @property
    def mark(self) -> str:
        """The same for the same tool and arguments."""
        return f"{self.name} {json.dumps(self.arguments, sort_keys=True, default=str)}"


def offered(
    actions: Iterable[Action], patterns: Sequence[str], grants: Iterable[str] | None
) -> dict[str, Tool]:
    """The tools by name: the newest version of each action that is granted and that a pattern names.

    Raises ConfigError for a pattern that is none, that names no action at all, and for too many tools.
    """
    newest: dict[str, Action] = {each.name: each for each in actions}
    for pattern in patterns:
        if not fnmatch.filter(newest, pattern):
            near = nearest(pattern, newest)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(newest)) or 'none'}"
            raise ConfigError(f"actions={list(patterns)!r}: no action matches {pattern!r}; {hint}")
    chosen = [newest[name] for name in sorted(newest) if granted(name, patterns) and granted(name, grants)]
    if len(chosen) > MOST_TOOLS:
        raise ConfigError(
            f"actions={list(patterns)!r} names {len(chosen)} actions; at most {MOST_TOOLS} are offered"
        )
    tools: dict[str, Tool] = {}
    for action in chosen:
        name = free_name(action.name, tools)
        tools[name] = Tool(name, action.description[:_DESCRIPTION] or action.name, action.schema, action)
    return tools


def free_name(name: str, taken: Iterable[str]) -> str:
    """*name* as every backend takes it (letters, digits, _ and -, at most 64), and not among *taken*."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]
    found, number, others = plain, 1, set(taken)
    while found in others:
        number += 1
        found = f"{plain[: LONGEST_NAME - 4]}_{number}"
    return found


def called(tools: Mapping[str, Tool], name: str) -> Tool | None:
    """The tool that a model calls *name*: by its name here, or by that of its action."""
    if name in tools:
        return tools[name]
    return next(
        (each for each in tools.values() if each.action is not None and each.action.name == name), None
    )


def calls_of(reply: Mapping[str, Any], step: int) -> list[Call]:
    """The calls in a model's reply; whatever it sent can be answered. *step* names those without an id."""
    found = reply.get("tool_calls")
    if not isinstance(found, list | tuple):
        return []
    taken: set[str] = set()
    calls = []
    for number, each in enumerate(found):
        call = _call(each, f"call_{step}_{number + 1}")
        if call.id in taken:  # a result must find its call
            call = call._replace(id=f"call_{step}_{number + 1}")
        taken.add(call.id)
        calls.append(call)
    return calls


def _call(each: object, number: str) -> Call:
    if not isinstance(each, Mapping):
        return Call(number, "", None, "a call is an object with a name and arguments")
    name, id = each.get("name"), each.get("id")
    arguments, wrong = _arguments(each.get("arguments"))
    return Call(
        id if isinstance(id, str) and 0 < len(id) <= 200 else number,
        name[:200] if isinstance(name, str) else "",
        arguments,
        wrong,
    )


def _arguments(value: object) -> tuple[dict[str, Any] | None, str]:
    if value is None or value == "":
        return {}, ""
    text = value if isinstance(value, str) else None
    try:
        if text is None:
            text = json.dumps(value)
        if len(text) > LONGEST_ARGUMENTS:
            return (
                None,
                f"the arguments have {len(text):,} characters, at most {LONGEST_ARGUMENTS:,} are taken",
            )
        made = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        return None, f"the arguments are no JSON: {error}"[:LONGEST_TOLD]
    if not isinstance(made, dict):
        return None, f"the arguments are a JSON object, not {str(made)[:40]!r}"
    return made, ""


def refused(tool: Tool, call: Call) -> str | None:
    """What is wrong with the arguments of *call*, to be told to the model; None when they may be used."""
    if call.arguments is None:
        return call.wrong
    return fault(tool.parameters, call.arguments, "arguments")


def unknown(name: str, tools: Mapping[str, Tool]) -> str:
    """What a model is told that calls a tool which is not offered."""
    near = nearest(name, tools)
    known = ", ".join(sorted(tools)) or "none: answer without"
    return (
        f"there is no tool {name[:80]!r}"
        + (f"; did you mean {near}?" if near else f"; there are {known}")[:LONGEST_TOLD]
    )


def told(problem: str) -> str:
    """An error as the result of a tool, bounded."""
    return json.dumps({"error": problem[:LONGEST_TOLD]}, ensure_ascii=False)


def shown(result: object) -> str:
    """The result of an action as text for a model: text as it is, else JSON; what has no JSON form is described."""
    if isinstance(result, str):
        return result
    if result is None:
        return "done"
    try:
        return json.dumps(result, ensure_ascii=False, default=_plain)
    except (ValueError, RecursionError, TypeError):
        return f"{result!r:.2000}"


def _plain(value: object) -> object:
    if isinstance(value, Event):
        return {"topic": value.topic, "payload": value.payload}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if hasattr(value, "value") and hasattr(value, "name"):  # an enum
        return value.value
    return f"{value!r:.200}"
