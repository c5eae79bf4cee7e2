"""Whether a JSON value follows a JSON schema, and if not, where it first does not. Pure.

Of JSON Schema 2020-12 it knows what schemas of answers and tools are made of: type, enum, const, properties, required,
additionalProperties, items, prefixItems, anyOf, oneOf, allOf, $ref within the schema, and the bounds of numbers,
texts and arrays. What it does not know (formats, conditions, patterns of names) it lets pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loom.errors import ConfigError
from loom.router.pattern import SEEN_TWICE, compiled, reach

DEEPEST = 64
MOST = 100_000  # values that are looked at, each time that an alternative looks at one
LONGEST_MATCHED = 10_000  # characters that a pattern is tried on
_SAID = 60
_MADE_UP = re.compile(r'\["(?:[^"\\]|\\.)*"\]')
_SAYS = re.compile(r"(is refused by \w+|its JSON): .*|, not .*", re.DOTALL)

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
_ARTICLES = {"array": "an array", "integer": "a whole number", "null": "null", "object": "an object",
             "boolean": "true or false", "string": "text", "number": "a number"}  # fmt: skip


def fault(schema: Any, value: Any, where: str = "answer") -> str | None:
    """The first thing in which *value* does not follow *schema*, with its place below *where*; None when it does."""
    return next(_faults(schema, value, where, _Root(schema)), None)


_SHAPES: dict[str, type | tuple[type, ...]] = {
    "properties": dict, "$defs": dict, "definitions": dict, "required": list, "enum": list, "anyOf": list,
    "oneOf": list, "allOf": list, "prefixItems": list, "items": (dict, bool, list), "pattern": str, "$ref": str,
    "additionalProperties": (dict, bool),
}  # fmt: skip


def unsound(schema: Any, where: str = "it") -> str | None:
    """The first thing that makes *schema* no JSON schema, with its place; None when it is one."""
    if not isinstance(schema, dict):
        return None if isinstance(schema, bool) else f"{where} is {say(schema)}"
    for name, shape in _SHAPES.items():
        if name in schema and not isinstance(schema[name], shape):
            return f"{where}.{name} is {say(schema[name])}"
    kinds = schema.get("type", [])
    if odd := [each for each in (kinds if isinstance(kinds, list) else [kinds]) if each not in _ARTICLES]:
        return f"{where}.type is {say(odd[0])}; there are {', '.join(_ARTICLES)}"
    return next(filter(None, (unsound(part, f"{where}.{name}") for name, part in _inside(schema))), None)


def _inside(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in ("properties", "$defs", "definitions"):
        yield from ((f"{name}.{each:.40}", part) for each, part in schema.get(name, {}).items())
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        yield from ((f"{name}[{number}]", part) for number, part in enumerate(schema.get(name, ())))
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield name, schema[name]


class _Root:
    """The whole schema, in which references are looked up, how deep one has gone, and how much one has seen."""

    __slots__ = ("depth", "schema", "seen")

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.depth = 0
        self.seen = 0

    def find(self, reference: str) -> Any:
        """What ``#/$defs/name`` stands for; a reference to anywhere else stands for anything."""
        found = self.schema
        for part in reference.removeprefix("#").split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        return found if reference.startswith("#") else {}


def _faults(schema: Any, value: Any, where: str, root: _Root) -> Iterator[str]:
    if schema is False:
        yield f"{where} must not be there"
    if not isinstance(schema, Mapping):
        return
    if root.depth > DEEPEST:
        yield f"{where} is nested too deeply"
        return
    root.seen += 1
    if root.seen > MOST:
        yield f"{where} comes after {MOST:,} others, and no more are looked at; be shorter"
        return
    root.depth += 1
    try:
        for check in _CHECKS:
            yield from check(schema, value, where, root)
    finally:
        root.depth -= 1


def _reference(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    if isinstance(schema.get("$ref"), str):
        yield from _faults(root.find(schema["$ref"]), value, where, root)


def _kind(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if names and not any(_is(name, value) for name in names):
        yield f"{where} must be {' or '.join(_ARTICLES.get(name, str(name)) for name in names)}, not {say(value)}"


def _is(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return name not in _TYPES or isinstance(value, _TYPES[name])


def _choices(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    if isinstance(schema.get("enum"), list) and not any(same(value, each) for each in schema["enum"]):
        known = ", ".join(say(each) for each in schema["enum"][:20])
        yield f"{where} must be one of {known}, not {say(value)}"
    if "const" in schema and not same(value, schema["const"]):
        yield f"{where} must be {say(schema['const'])}, not {say(value)}"


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one: 1 is 1.0, and not true."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _combined(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    for part in _parts(schema, "allOf"):
        yield from _faults(part, value, where, root)
    for name in ("anyOf", "oneOf"):
        parts = _parts(schema, name)
        found = [next(_faults(part, value, where, root), None) for part in parts]
        if parts and None not in found:
            yield _nearest([each for each in found if each is not None], where)


def _nearest(faults: list[str], where: str) -> str:
    """Of the faults of several alternatives the one that is deepest, for it was meant."""
    inside = [each for each in faults if not each.startswith(f"{where} must")]
    return inside[0] if inside else " and ".join(dict.fromkeys(faults))


def _parts(schema: Mapping[str, Any], name: str) -> list[Any]:
    parts = schema.get(name)
    return parts if isinstance(parts, list) else []


def _object(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{where}.{name} is missing"
    others = "patternProperties" in schema or schema.get("additionalProperties", True)
    for name, each in value.items():
        if name in properties:
            yield from _faults(properties[name], each, f"{where}.{name}", root)
        elif others is False:
            yield f"{named(where, name)} is not known; it takes {', '.join(properties) or 'nothing'}"
        else:
            yield from _faults(others, each, named(where, name), root)


def named(where: str, name: str) -> str:
    """The place of *name* in *where*, when whoever answered made it up; `placed` leaves it out."""
    return f"{where}[{json.dumps(name[:40], ensure_ascii=False)}]"


def placed(problem: str) -> str:
    """*problem* with its place, and nothing of what was answered: that may be private."""
    return _SAYS.sub(r"\1", _MADE_UP.sub("[...]", problem))


def _array(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    if not isinstance(value, list):
        return
    first = schema.get("prefixItems", ())
    for number, each in enumerate(value):
        part = first[number] if number < len(first) else schema.get("items", {})
        yield from _faults(part, each, f"{where}[{number}]", root)
    if schema.get("uniqueItems") is True and len({json.dumps(each, sort_keys=True) for each in value}) < len(
        value
    ):
        yield f"{where} holds something twice"


def _bounds(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    if isinstance(value, str):
        yield from _size(schema, len(value), "Length", where, "characters")
    elif isinstance(value, list):
        yield from _size(schema, len(value), "Items", where, "items")
    elif isinstance(value, dict):
        yield from _size(schema, len(value), "Properties", where, "properties")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(schema, value, where)


def _size(schema: Mapping[str, Any], size: int, what: str, where: str, words: str) -> Iterator[str]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if isinstance(least, int) and size < least:
        yield f"{where} must have at least {least} {words}, not {size}"
    if isinstance(most, int) and size > most:
        yield f"{where} must have at most {most} {words}, not {size}"


_LIMITS: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("minimum", "at least", lambda value, limit: value >= limit),
    ("maximum", "at most", lambda value, limit: value <= limit),
    ("exclusiveMinimum", "more than", lambda value, limit: value > limit),
    ("exclusiveMaximum", "less than", lambda value, limit: value < limit),
)


def _number(schema: Mapping[str, Any], value: float, where: str) -> Iterator[str]:
    for name, words, holds in _LIMITS:
        limit = schema.get(name)
        if isinstance(limit, int | float) and not isinstance(limit, bool) and not holds(value, limit):
            yield f"{where} must be {words} {limit}, not {say(value)}"


def _pattern(schema: Mapping[str, Any], value: Any, where: str, root: _Root) -> Iterator[str]:
    pattern = schema.get("pattern")
    if not isinstance(value, str) or not isinstance(pattern, str):
        return
    try:
        wanted = compiled(pattern, "pattern")
    except ConfigError:  # of another language, or one that a text could keep busy: the grammar may know it
        return
    if SEEN_TWICE == reach(wanted) < len(value):
        return
    if len(value) > LONGEST_MATCHED or not wanted.search(value):
        yield f"{where} must match {pattern:.80}, not {say(value)}"


_CHECKS = (_reference, _kind, _choices, _combined, _object, _array, _bounds, _pattern)


def say(value: Any) -> str:
    """*value* as JSON, its beginning."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SAID else f"{text[:_SAID]}..."
