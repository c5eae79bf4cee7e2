"""JSON Schema from a function's signature, and the check of arguments against it."""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
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
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_DEPTH = 12


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


def _schema(annotation: Any, where: str, depth: int = 0) -> dict[str, Any]:
    if depth > _DEPTH:
        raise SignatureError(
            f"{where} is nested too deeply, or contains itself; annotate the inner part dict or list"
        )

    def inner(part: Any, name: str = where) -> dict[str, Any]:
        return _schema(part, name, depth + 1)

    if annotation is Any or annotation is object:
        return {}
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    generic = _generic(get_origin(annotation), get_args(annotation), inner)
    if generic is not None:
        return generic
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    if hasattr(annotation, "__dataclass_fields__"):
        hints = typing.get_type_hints(annotation)
        return {"type": "object", "properties": {n: inner(h, f"{where}.{n}") for n, h in hints.items()}}
    if isinstance(annotation, type):
        return {"description": f"an object of {annotation.__qualname__}, by reference"}
    raise SignatureError(
        f"{where}: {annotation!r} has no JSON Schema; use str, numbers, lists, dicts, enums or dataclasses"
    )


def _generic(
    origin: Any, args: tuple[Any, ...], inner: Callable[[Any], dict[str, Any]]
) -> dict[str, Any] | None:
    if origin in (Union, types.UnionType):
        return {"anyOf": [inner(a) for a in args]}
    if origin is Literal:
        return {"enum": [a.value if isinstance(a, enum.Enum) else a for a in args]}
    if origin is tuple and args[-1] is not Ellipsis:
        parts = [inner(a) for a in args]
        return {"type": "array", "prefixItems": parts, "minItems": len(args), "maxItems": len(args)}
    if origin in (list, tuple, set, frozenset, Sequence, Iterable):
        return {"type": "array", "items": inner(args[0])}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": inner(args[1])}
    return None


def check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any], name: str) -> None:
    """Raise ActionFailed naming the first argument that is missing, unknown or of a wrong type."""
    properties = schema["properties"]
    for missing in schema["required"]:
        if missing not in arguments:
            raise ActionFailed(
                f"action {name!r} needs argument {missing!r}; it takes {', '.join(properties) or 'none'}"
            )
    for key, value in arguments.items():
        if key not in properties:
            if schema["additionalProperties"]:
                continue
            raise ActionFailed(
                f"action {name!r} has no argument {key!r}; it takes {', '.join(properties) or 'none'}"
            )
        if not fits(properties[key], value):
            raise ActionFailed(
                f"action {name!r}: argument {key!r} must be {_say(properties[key])}, not {value!r:.80}"
            )


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
        values = schema.get("additionalProperties", {})
        if isinstance(value, Mapping):
            return all(fits(values, v) for v in value.values())
        return hasattr(value, "__dataclass_fields__")
    if kind == "array":
        return _fits_array(schema, value)
    if kind is None:
        return True
    if "contentEncoding" in schema:
        return isinstance(value, bytes | bytearray | memoryview)
    return isinstance(value, _PYTHON[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _fits_array(schema: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, list | tuple | set | frozenset):
        return False
    if "prefixItems" in schema:
        parts = schema["prefixItems"]
        return len(value) == len(parts) and all(map(fits, parts, value))
    items = schema.get("items", {})
    return all(fits(items, v) for v in value)


def _say(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_say(s) for s in schema["anyOf"])
    if "enum" in schema:
        return f"one of {schema['enum']}"
    if "contentEncoding" in schema:
        return "bytes"
    return str(schema.get("type", "anything"))
