"""Whether a value fits a JSON Schema of an OpenAPI file: bounded work, whatever the schema. Pure.

``pattern`` and ``format`` are not looked at: a stranger's regular expression can take for ever. The server checks them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from loom.adapters._openapi_spec import Document
from loom.errors import ActionFailed, ConfigError

MAX_STEPS = 100_000
MAX_DEPTH = 64
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list, tuple),
    "object": (dict,),
}


class Check:
    """One check of values against schemas of *document*: it counts its steps."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._steps = 0

    def fault(self, schema: Any, value: Any, where: str, depth: int = 0) -> str:
        """What is wrong with *value*, which stands at *where*; empty when nothing is. Raises ActionFailed."""
        self._steps += 1
        if self._steps > MAX_STEPS or depth > MAX_DEPTH:
            raise ActionFailed(f"{where} cannot be checked: its schema is too complicated")
        try:
            schema = self._document.resolve(schema)
        except ConfigError as error:
            raise ActionFailed(f"{where} cannot be checked: {error}") from None
        if schema is False:
            return f"{where} is not allowed"
        if not isinstance(schema, dict):
            return ""
        return (
            _kind(schema, value, where)
            or _size(schema, value, where)
            or self._inside(schema, value, where, depth)
            or self._choices(schema, value, where, depth)
        )

    def _inside(self, schema: Mapping[str, Any], value: Any, where: str, depth: int) -> str:
        if isinstance(value, dict):
            return self._members(schema, value, where, depth)
        if isinstance(value, list | tuple) and "items" in schema:
            faults = (self.fault(schema["items"], v, f"{where}[{n}]", depth + 1) for n, v in enumerate(value))
            return next(filter(None, faults), "")
        return ""

    def _members(self, schema: Mapping[str, Any], value: dict[Any, Any], where: str, depth: int) -> str:
        known = schema.get("properties")
        properties = known if isinstance(known, dict) else {}
        required = schema.get("required")
        for name in required if isinstance(required, list) else ():
            if isinstance(name, str) and name not in value:
                return f"{where} needs {name!r:.80}"
        others = schema.get("additionalProperties", True)
        for name, inner in value.items():
            if not isinstance(name, str):
                return f"{where} has a member {name!r:.80} that is not named by text"
            if name not in properties and others is False:
                return f"{where} has no {name!r:.80}; it has {', '.join(properties) or 'none'}"[:300]
            fault = self.fault(properties.get(name, others), inner, f"{where}.{name}"[:200], depth + 1)
            if fault:
                return fault
        return ""

    def _choices(self, schema: Mapping[str, Any], value: Any, where: str, depth: int) -> str:
        for word in ("allOf", "anyOf", "oneOf"):
            options = schema.get(word)
            if not isinstance(options, list) or not options:
                continue
            faults = [self.fault(option, value, where, depth + 1) for option in options]
            good = faults.count("")
            if word == "allOf" and good < len(faults):
                return next(filter(None, faults))
            if not good or (word == "oneOf" and good > 1):
                return f"{where} fits {good} of {len(faults)} forms: {next(filter(None, faults), 'one is wanted')}"
        return ""


def _kind(schema: Mapping[str, Any], value: Any, where: str) -> str:
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if value is None and (schema.get("nullable") is True or "null" in kinds):
        return ""
    kinds = [kind for kind in kinds if isinstance(kind, str)]
    if kinds and not any(_is(kind, value) for kind in kinds):
        return f"{where} must be {' or '.join(map(str, kinds))}, not {value!r:.80}"[:300]
    choices = schema.get("enum")
    if isinstance(choices, list) and not any(_same(value, choice) for choice in choices):
        return f"{where} must be one of {choices!r:.200}, not {value!r:.80}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where} must be {schema['const']!r:.80}, not {value!r:.80}"
    return ""


def _is(kind: Any, value: Any) -> bool:
    if kind not in _TYPES:
        return True
    if isinstance(value, bool):
        return bool(kind == "boolean")
    if isinstance(value, float) and not math.isfinite(value):
        return False
    whole = kind == "integer" and isinstance(value, float) and value.is_integer()
    return whole or isinstance(value, _TYPES[kind])


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _size(schema: Mapping[str, Any], value: Any, where: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _range(schema, value, where)
    for kinds, low, high in (((str,), "minLength", "maxLength"), ((list, tuple), "minItems", "maxItems")):
        if isinstance(value, kinds):
            least, most = _number(schema.get(low), 0), _number(schema.get(high), math.inf)
            if not least <= len(value) <= most:
                return f"{where} has length {len(value)}; it must be {least:g} to {most:g}"
    return ""


def _range(schema: Mapping[str, Any], value: float, where: str) -> str:
    low, high = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    least, most = _number(schema.get("minimum"), -math.inf), _number(schema.get("maximum"), math.inf)
    too_low = value < least or (low is True and value == least) or value <= _number(low, -math.inf)
    too_high = value > most or (high is True and value == most) or value >= _number(high, math.inf)
    if too_low or too_high:
        return f"{where} is {value!r:.40}; it is out of range"
    return ""


def _number(value: Any, otherwise: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def outline(document: Document, schema: Any) -> dict[str, Any]:
    """A schema as actions show theirs: the outermost type and the choices; what is inside is checked by ``Check``."""
    schema = document.resolve(schema)
    if not isinstance(schema, dict):
        return {}
    made: dict[str, Any] = {}
    kind, choices = schema.get("type"), schema.get("enum")
    if isinstance(kind, str) and kind in _TYPES and schema.get("nullable") is not True:
        made["type"] = kind
    if isinstance(choices, list) and all(isinstance(c, str | int | float | bool) for c in choices):
        made = {"enum": choices[:200]} if len(choices) <= 200 else made
    if isinstance(schema.get("description"), str):
        made["description"] = schema["description"][:300]
    return made
