"""Tools: the actions that a model may choose from, the calls found in its reply, and what it is told of them. Pure."""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, Protocol

from loom.errors import ConfigError, UnknownAction
from loom.event import Event
from loom.router.tools._json_schema import fault
from loom.router.tools._shapes import parameters

MOST_TOOLS = 128
MOST_CALLS = 16  # of one reply are done
MOST_READ = 64  # of one reply are answered; what comes after them is as good as not said
LONGEST_ARGUMENTS = 65_536  # characters
LONGEST_TOLD = 500  # characters of an error
LONGEST_NAME = 64
_DESCRIPTION = 1_000


class Capability(Protocol):
    """What is needed to know of something that may be done; an Action is one."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def schema(self) -> Mapping[str, Any]: ...

    @property
    def function(self) -> Callable[..., Any]: ...


class Tool(NamedTuple):
    """One thing a model may do: *name* is what it calls it by, *capability* what is run, "" for what Loom does itself.

    *function* is what runs: its annotations say what becomes of the arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    capability: str = ""
    function: Callable[..., Any] | None = None

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
    capabilities: Iterable[Capability], patterns: Sequence[str], granted: Callable[[str], bool]
) -> dict[str, Tool]:
    """The tools by name: the newest version of each capability that is *granted* and that a pattern names.

    Raises UnknownAction for a pattern that names none, granted or not, and ConfigError for too many tools.
    """
    newest = {each.name: each for each in capabilities}
    chosen: set[str] = set()
    for pattern in patterns:
        found = [name for name in newest if fnmatch.fnmatchcase(name, pattern)]
        if not found:
            hint = _hint(pattern, newest)
            raise UnknownAction(f"actions={list(patterns)!r}: no action matches {pattern!r}; {hint}")
        chosen.update(filter(granted, found))
    if len(chosen) > MOST_TOOLS:
        raise ConfigError(f"actions={list(patterns)!r} names {len(chosen)}; at most {MOST_TOOLS} are offered")
    tools: dict[str, Tool] = {}
    for each in (newest[name] for name in sorted(chosen)):
        name = free_name(each.name, tools)
        words = each.description[:_DESCRIPTION] or each.name
        tools[name] = Tool(name, words, parameters(each.function, each.schema), each.name, each.function)
    return tools


def _hint(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, sorted(words), n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(sorted(words)) or 'none'}"[:LONGEST_TOLD]


def free_name(name: str, taken: Iterable[str]) -> str:
    """*name* as every backend takes it (letters, digits, _ and -, at most 64), and not among *taken*."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]
    found, number, others = plain, 1, set(taken)
    while found in others:
        number += 1
        found = f"{plain[: LONGEST_NAME - 4]}_{number}"
    return found


def called(tools: Mapping[str, Tool], name: str) -> Tool | None:
    """The tool that a model calls *name*: by its name here, or by that of its capability."""
    return tools.get(name) or next(
        (each for each in tools.values() if name and each.capability == name), None
    )


def calls_of(reply: Mapping[str, Any], taken: set[str]) -> list[Call]:
    """The calls in a model's reply; whatever it sent can be answered. Their ids are not among *taken*, and then are."""
    found = reply.get("tool_calls")
    calls = []
    for each in found[:MOST_READ] if isinstance(found, list | tuple) else ():
        call, number = _call(each, ""), len(taken) + 1
        while not call.id or call.id in taken:  # a result must find its call
            call, number = call._replace(id=f"call_{number}"), number + 1
        taken.add(call.id)
        calls.append(call)
    return calls


def ids_in(messages: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of the calls in a conversation."""
    calls = [call for each in messages for call in each.get("tool_calls") or () if isinstance(call, Mapping)]
    return {call["id"] for call in calls if isinstance(call.get("id"), str)}


def _call(each: object, number: str) -> Call:
    if not isinstance(each, Mapping):
        return Call(number, "", None, "a call is an object with a name and arguments")
    name, id = each.get("name"), each.get("id")
    # a backend that could not read what its model wrote hands that on
    unread = isinstance(each.get("arguments_error"), str)
    arguments, wrong = _arguments(each.get("arguments_text" if unread else "arguments"))
    if unread and not wrong:
        arguments, wrong = None, str(each["arguments_error"])[:LONGEST_TOLD]
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
    return f"there is no tool {name[:80]!r}; {_hint(name, tools)}"


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
    except Exception:  # noqa: BLE001 - what is in it is a stranger's; nested too deeply counts here, too
        return _described(result)


def _described(result: object) -> str:
    try:
        return f"{result!r:.2000}"
    except Exception:  # noqa: BLE001 - a stranger's __repr__; the tool has done its work all the same
        return f"a {type(result).__name__} that has no text"


def _plain(value: object) -> object:
    if isinstance(value, Event):
        return {"topic": value.topic, "payload": value.payload}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, dt.date | dt.time):  # as it would give one itself
        return value.isoformat()
    if hasattr(value, "value") and hasattr(value, "name"):  # an enum
        return value.value
    return f"{value!r:.200}"
