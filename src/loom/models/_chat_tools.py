"""Tools for a model that has none of its own: told in the system message, called in JSON by a grammar. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loom.errors import ModelFailed

MOST_TOOLS = 128
CHOICES = ("auto", "none", "required")
DEEPEST = 64
_NAME = 200
_HOW = (
    'You can use tools. To use one, reply {"tool": its name, "arguments": {...}}. When you have what you need, reply'
    ' {"answer": your answer to the user}. Tools:'
)


def tools_of(value: object) -> tuple[Mapping[str, Any], ...]:
    """The tools in an option: [{"name", "description", "parameters": JSON schema}]; raises ModelFailed."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_TOOLS:
        raise ModelFailed(f"tools is a list of at most {MOST_TOOLS} tools")
    for each in value:
        good = (
            isinstance(each, Mapping) and isinstance(each.get("name"), str) and 0 < len(each["name"]) <= _NAME
        )
        if not good or not isinstance(each.get("parameters", {}), Mapping):
            raise ModelFailed(
                f'a tool is {{"name", "description", "parameters": JSON schema}}, not {each!r:.80}'
            )
    if len({each["name"] for each in value}) < len(value):
        raise ModelFailed("two tools have the same name")
    return tuple(value)


def choice_of(value: object) -> str:
    """Whether tools may, must not or must be used; raises ModelFailed."""
    if value is None:
        return "auto"
    if value not in CHOICES:
        raise ModelFailed(f"tool_choice is {', '.join(CHOICES)}, not {str(value)[:40]!r}")
    return str(value)


def told(tools: Sequence[Mapping[str, Any]]) -> str:
    """What the system message says of *tools*."""
    return "\n".join([_HOW, *map(_line, tools)])


def _line(tool: Mapping[str, Any]) -> str:
    parameters = tool.get("parameters", {})
    required = parameters.get("required", ())
    words = [
        f"{name}{'' if name in required else '?'}: {_kind(schema)}"
        for name, schema in parameters.get("properties", {}).items()
    ]
    description = " ".join(str(tool.get("description") or "").split())
    return f"- {tool['name']}({', '.join(words)}): {description}"


def _kind(schema: object) -> str:
    if isinstance(schema, Mapping) and set(schema) <= {"type", "default", "description"}:
        return str(schema.get("type", "anything"))
    return json.dumps(schema, ensure_ascii=False)


def constraint(
    tools: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None, choice: str
) -> dict[str, Any]:
    """The JSON schema of a reply: a call of one of *tools*, or an answer, of *schema* if there is one."""
    definitions: dict[str, Any] = {}
    calls = []
    for number, each in enumerate(tools):
        arguments = _placed({"type": "object", **each.get("parameters", {})}, f"{number}.", definitions)
        calls.append(_object({"tool": {"const": each["name"]}, "arguments": arguments}))
    answer = _object({"answer": _placed(schema or {"type": "string"}, "", definitions)})
    found: dict[str, Any] = {"anyOf": calls if choice == "required" else [*calls, answer]}
    return {**found, "$defs": definitions} if definitions else found


def _placed(schema: Any, prefix: str, definitions: dict[str, Any], depth: int = 0) -> Any:
    """*schema* inside another one: its ``$defs`` go to *definitions*, with *prefix*, and references follow them."""
    if depth > DEEPEST:
        raise ModelFailed(f"the schema is nested more than {DEEPEST} deep")
    if isinstance(schema, list):
        return [_placed(each, prefix, definitions, depth + 1) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {}
    for name, value in schema.items():
        if name == "$defs" and isinstance(value, Mapping):
            for key, each in value.items():
                definitions[f"{prefix}{key}"] = _placed(each, prefix, definitions, depth + 1)
        elif name == "$ref" and isinstance(value, str):
            made[name] = value.replace("#/$defs/", f"#/$defs/{prefix}")
        else:
            made[name] = _placed(value, prefix, definitions, depth + 1)
    return made


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def spoken(content: str, calls: object) -> str:
    """An assistant's message as this model would have written it: its text, or the calls in their JSON."""
    if not calls:
        return content
    if not isinstance(calls, list | tuple) or not all(isinstance(each, Mapping) for each in calls):
        raise ModelFailed('tool_calls is [{"id", "name", "arguments"}]')
    made = [{"tool": str(each.get("name")), "arguments": each.get("arguments") or {}} for each in calls]
    try:
        lines = [json.dumps(each, ensure_ascii=False) for each in made]
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFailed(f"the arguments of a tool call are no JSON: {error}") from None
    return "\n".join([*([content] if content else []), *lines])


def heard(text: str, number: int) -> tuple[str, list[dict[str, Any]]]:
    """The answer in a constrained reply, and its calls, named by *number*; of one that was cut off what can be read."""
    for end in ("", '"}', '\\"}', "}", "]}", "}}"):
        try:
            reply = json.loads(text + end)
        except (ValueError, RecursionError):
            continue
        if isinstance(reply, Mapping) and "answer" in reply:
            answer = reply["answer"]
            return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False), []
        if isinstance(reply, Mapping) and "tool" in reply and not end:
            call = {"id": f"call_{number}", "name": reply["tool"], "arguments": reply.get("arguments", {})}
            return "", [call]
    return "", []
