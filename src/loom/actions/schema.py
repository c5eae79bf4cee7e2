"""JSON Schema from a function's signature, and the check of arguments against it."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from loom.errors import ActionFailed, SignatureError

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    dict: {"type": "object"},
    list: {"type": "array"},
    bytes: {"type": "string", "contentEncoding": "base64"},
}
_PYTHON = {"string": (str, bytes), "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}


def schema_of(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the keyword arguments of *function*; raises SignatureError for what has none."""
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise SignatureError(f"action {name!r}: an annotation cannot be resolved ({error})") from None
    properties: dict[str, Any] = {}
    required = []
    extra = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise SignatureError(f"action {name!r}: parameter {parameter.name!r} cannot be passed by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = True
            continue
        properties[parameter.name] = _schema(hints.get(parameter.name, Any), f"{name}.{parameter.name}")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif isinstance(parameter.default, str | int | float | bool | None):
            properties[parameter.name] = {**properties[parameter.name], "default": parameter.default}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": extra}


def _schema(annotation: Any, where: str) -> dict[str, Any]:
    if annotation is Any or annotation is object:
        return {}
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(a, where) for a in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (list, tuple, set, frozenset) and args:
        return {"type": "array", "items": _schema(args[0], where)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(args[1], where)}
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    if dataclasses.is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return {"type": "object", "properties": {n: _schema(h, f"{where}.{n}") for n, h in hints.items()}}
    if isinstance(annotation, type):
        return {"description": f"an object of {annotation.__qualname__}, by reference"}
    raise SignatureError(f"{where}: {annotation!r} has no JSON Schema; use str, numbers, lists, dicts, enums or dataclasses")


def check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any], name: str) -> None:
    """Raise ActionFailed naming the first argument that is missing, unknown or of a wrong type."""
    properties = schema["properties"]
    for missing in schema["required"]:
        if missing not in arguments:
            raise ActionFailed(f"action {name!r} needs argument {missing!r}; it takes {', '.join(properties) or 'none'}")
    for key, value in arguments.items():
        if key not in properties:
            if schema["additionalProperties"]:
                continue
            raise ActionFailed(f"action {name!r} has no argument {key!r}; it takes {', '.join(properties) or 'none'}")
        if not fits(properties[key], value):
            raise ActionFailed(f"action {name!r}: argument {key!r} must be {_say(properties[key])}, not {value!r:.80}")


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether *value* is of the type a schema made here asks for."""
    if isinstance(value, enum.Enum):
        value = value.value
    if "anyOf" in schema:
        return any(fits(s, value) for s in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if kind == "object":
        return isinstance(value, Mapping) or dataclasses.is_dataclass(value)
    if kind == "array":
        items = schema.get("items", {})
        return isinstance(value, list | tuple | set | frozenset) and all(fits(items, v) for v in value)
    if kind is None:
        return True
    return isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _say(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_say(s) for s in schema["anyOf"])
    if "enum" in schema:
        return f"one of {schema['enum']}"
    return str(schema.get("type", "anything"))
