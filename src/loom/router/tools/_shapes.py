"""What an annotation looks like as a JSON schema, and how a value that follows it becomes an object again. Pure."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import enum
import json
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Required, Union, get_args, get_origin

from loom.errors import ConfigError
from loom.router.tools._json_schema import fault, named, same, say

_DEPTH = 12
_SIMPLE: dict[Any, str] = {
    str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", dict: "object", list: "array",
}  # fmt: skip
_MOMENTS: dict[Any, str] = {dt.datetime: "date-time", dt.date: "date", dt.time: "time"}
_GROUPS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list, set: set, frozenset: frozenset, tuple: tuple, Sequence: list, Iterable: list, Collection: list,
}  # fmt: skip
_UNRESOLVED = (NameError, AttributeError, TypeError, SyntaxError)  # what looking up an annotation may raise


class Unfit(ValueError):
    """A value that follows the schema and still cannot become the object; the message says where and why."""


class Form(NamedTuple):
    """The *schema* of a type, and what makes an object of a value that follows it; *build* gets the value's place."""

    schema: dict[str, Any]
    build: Callable[[Any, str], Any]


def form_of(annotation: Any, where: str = "answer", depth: int = 0) -> Form:
    """The form of *annotation*: dataclasses, TypedDicts, NamedTuples, enums, literals, unions and containers of them.

    Raises ConfigError for what has no JSON form, or contains itself.
    """
    if depth > _DEPTH:
        raise ConfigError(
            f"schema: {where} is nested too deeply, or contains itself; annotate the inner part dict"
        )
    if annotation in (Any, object):
        return Form({}, _as_it_is)
    if isinstance(annotation, type | types.NoneType | None) and annotation in _SIMPLE:
        return _simple(annotation)
    if annotation is None:
        return _simple(type(None))
    inner = partial(_inner, where, depth)
    found = _generic(annotation, inner) or _class(annotation, where, inner)
    if found is None:
        raise ConfigError(
            f"schema: {where} is {annotation!r:.80}, which has no JSON form; use text, numbers, lists, dicts, enums, "
            "literals, TypedDicts or dataclasses"
        )
    return found


def _inner(where: str, depth: int, annotation: Any, name: str = "") -> Form:
    return form_of(annotation, f"{where}.{name}" if name else where, depth + 1)


def _as_it_is(value: Any, where: str) -> Any:
    return value


def _simple(kind: Any) -> Form:
    convert: Callable[[Any, str], Any] = _as_it_is
    if kind is float:
        convert = _float
    elif kind is int:
        convert = _int
    return Form({"type": _SIMPLE[kind]}, convert)


def _float(value: Any, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Unfit(f"{where} is too large a number") from None


def _int(value: Any, where: str) -> int:
    return int(value)  # 3.0 is a whole number too, in JSON


# --- generics -----------------------------------------------------------------------------------------------------


def _generic(annotation: Any, inner: Callable[..., Form]) -> Form | None:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _described(inner(args[0]), args[1:])
    if origin in (Required, NotRequired):
        return inner(args[0])
    if origin in (Union, types.UnionType):
        return _union([inner(each) for each in args])
    if origin is Literal:
        return _choice(
            args, [each.value if isinstance(each, enum.Enum) else each for each in args], annotation
        )
    if origin is tuple and args and args[-1] is not Ellipsis:
        return _row([inner(each) for each in args])
    if origin in _GROUPS and args:
        part = inner(args[0])
        return Form({"type": "array", "items": part.schema}, partial(_build_group, _GROUPS[origin], part))
    if origin in (dict, Mapping) and args:
        return _mapping(inner(args[0]), inner(args[1]))
    return None


def _described(form: Form, notes: tuple[Any, ...]) -> Form:
    words = next((each for each in notes if isinstance(each, str)), None)
    return form if words is None else Form({**form.schema, "description": words}, form.build)


def _union(forms: list[Form]) -> Form:
    return Form({"anyOf": [each.schema for each in forms]}, partial(_build_union, forms))


def _build_union(forms: list[Form], value: Any, where: str) -> Any:
    failure: Unfit | None = None
    for form in forms:
        if fault(form.schema, value, where) is None:
            try:
                return form.build(value, where)
            except Unfit as error:
                failure = error
    raise failure or Unfit(f"{where} is none of what it may be: {say(value)}")


def _row(forms: list[Form]) -> Form:
    schema = {"type": "array", "prefixItems": [each.schema for each in forms],
              "minItems": len(forms), "maxItems": len(forms)}  # fmt: skip
    return Form(schema, partial(_build_row, forms))


def _build_row(forms: list[Form], value: Any, where: str) -> tuple[Any, ...]:
    return tuple(
        form.build(each, f"{where}[{n}]") for n, (form, each) in enumerate(zip(forms, value, strict=True))
    )


def _build_group(group: Callable[[Iterable[Any]], Any], part: Form, value: Any, where: str) -> Any:
    try:
        return group([part.build(each, f"{where}[{n}]") for n, each in enumerate(value)])
    except TypeError:
        raise Unfit(f"{where} is a set, and holds what no set can hold") from None


def _mapping(key: Form, part: Form) -> Form:
    schema: dict[str, Any] = {"type": "object", "additionalProperties": part.schema}
    if names := key.schema.get("enum"):
        texts = [each if isinstance(each, str) else json.dumps(each) for each in names]
        schema = {
            "type": "object",
            "properties": dict.fromkeys(texts, part.schema),
            "additionalProperties": False,
        }
    return Form(schema, partial(_build_mapping, key, part))


def _build_mapping(key: Form, part: Form, value: Any, where: str) -> dict[Any, Any]:
    return {
        _build_key(key, name, where): part.build(each, named(where, name)) for name, each in value.items()
    }


def _build_key(key: Form, name: str, where: str) -> Any:
    """A name is text in JSON: it stands for itself, or for the number that it spells."""
    place = f"a name in {where}"
    wrong = fault(key.schema, name, place)
    if wrong is None:
        return key.build(name, place)
    try:
        spelt = json.loads(name)
    except (ValueError, RecursionError):
        raise Unfit(wrong) from None
    if fault(key.schema, spelt, place) is not None:
        raise Unfit(wrong)
    return key.build(spelt, place)


# --- classes ------------------------------------------------------------------------------------------------------


def _class(annotation: Any, where: str, inner: Callable[..., Form]) -> Form | None:
    if isinstance(annotation, typing.NewType):
        return inner(annotation.__supertype__)
    if annotation in (set, frozenset, tuple):
        return Form({"type": "array"}, partial(_build_group, annotation, Form({}, _as_it_is)))
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, enum.Enum):
        return _choice(list(annotation), [each.value for each in annotation], annotation)
    if annotation is bytes:
        return Form({"type": "string", "contentEncoding": "base64"}, _build_bytes)
    if annotation in _MOMENTS:
        return Form({"type": "string", "format": _MOMENTS[annotation]}, partial(_build_moment, annotation))
    return _record(annotation, where, inner)


def _record(cls: Any, where: str, inner: Callable[..., Form]) -> Form | None:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except _UNRESOLVED as error:
        raise ConfigError(
            f"schema: {where}: an annotation of {cls.__name__} cannot be resolved: {error}"
        ) from None
    fields = _fields(cls, hints)
    if fields is None:
        return None
    forms = {name: inner(hints.get(name, Any), name) for name in fields}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: form.schema for name, form in forms.items()},
        "required": [name for name, optional in fields.items() if not optional],
        "additionalProperties": False,
    }
    if (words := _own_words(cls)) is not None:
        schema["description"] = words
    return Form(schema, partial(_build_record, cls, forms))


def _fields(cls: Any, hints: Mapping[str, Any]) -> dict[str, bool] | None:
    """The fields of a record by name, and whether each may be left out; None for a class that is none."""
    if dataclasses.is_dataclass(cls):
        return {each.name: _has_default(each) for each in dataclasses.fields(cls) if each.init}
    if typing.is_typeddict(cls):
        return {name: _may_lack(cls, name, hint) for name, hint in hints.items()}
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return {name: name in cls._field_defaults for name in cls._fields}
    return None


def _may_lack(cls: Any, name: str, hint: Any) -> bool:
    # __optional_keys__ does not know of NotRequired where annotations are text
    return get_origin(hint) is NotRequired or (
        get_origin(hint) is not Required and name in cls.__optional_keys__
    )


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _own_words(cls: Any) -> str | None:
    """The docstring, unless Python wrote it."""
    words = cls.__dict__.get("__doc__") or ""
    return (
        None if not words or words.startswith(f"{cls.__name__}(") else str(words).partition("\n\n")[0].strip()
    )


def _build_record(cls: Any, forms: dict[str, Form], value: Any, where: str) -> Any:
    made = {name: forms[name].build(each, f"{where}.{name}") for name, each in value.items() if name in forms}
    try:
        return cls(**made)
    except Unfit:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's __post_init__: what it refuses is told to the model
        raise Unfit(f"{where} is refused by {cls.__name__}: {error!s:.200}") from None


def _choice(members: Sequence[Any], values: list[Any], annotation: Any) -> Form:
    """One of *members*, each known by its value."""
    odd = next((each for each in values if not isinstance(each, str | int | float | None)), None)
    if odd is not None:
        raise ConfigError(
            f"schema: {annotation!r:.80} has {odd!r:.40}, which has no JSON form; choose by text or numbers"
        )
    return Form({"enum": values}, partial(_build_choice, members, values))


def _build_choice(members: Sequence[Any], values: list[Any], value: Any, where: str) -> Any:
    return next(member for member, each in zip(members, values, strict=True) if same(each, value))


def _build_bytes(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unfit(f"{where} must be base64, not {say(value)}") from None


def _build_moment(cls: Any, value: Any, where: str) -> Any:
    try:
        return cls.fromisoformat(value)
    except ValueError:
        raise Unfit(f"{where} must be a {_MOMENTS[cls]} as ISO 8601 has it, not {say(value)}") from None


def converted(function: Callable[..., Any] | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """*arguments*, which are JSON, as the annotations of *function* say: dataclasses, enums, dates, bytes, sets.

    Raises Unfit for what does not follow them: the schema that comes with a function knows less than they say.
    """
    hints = _hints(function)
    return {name: _made(hints.get(name, Any), value, name) for name, value in arguments.items()}


def _made(annotation: Any, value: Any, name: str) -> Any:
    form = _form(annotation, name)
    if form is None:
        return value
    where = f"arguments.{name}"
    wrong = fault(form.schema, value, where)
    if wrong is not None:
        raise Unfit(wrong)
    return form.build(value, where)


def plain(value: Any) -> Any:
    """What ``converted`` made as plain values again, by which two calls can be told apart."""
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value) if each.init
        }
    if isinstance(value, Mapping):
        return {plain(name): plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=repr)
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def parameters(function: Callable[..., Any] | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema*, the arguments of *function*, with what its annotations say of their form beyond it: dates, records."""
    hints = _hints(function)
    found = {
        name: _exact(hints.get(name, Any), each, name) for name, each in schema.get("properties", {}).items()
    }
    return {**schema, "properties": found}


def _exact(annotation: Any, schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    form = None if annotation is Any else _form(annotation, name)
    if form is None:
        return schema
    return {**form.schema, "default": schema["default"]} if "default" in schema else form.schema


def _form(annotation: Any, name: str) -> Form | None:
    try:
        return form_of(annotation, name)
    except ConfigError:  # of a class that has no JSON form: as it is
        return None


def _hints(function: Callable[..., Any] | None) -> dict[str, Any]:
    try:
        hints = {} if function is None else typing.get_type_hints(function, include_extras=True)
    except _UNRESOLVED:
        return {}
    hints.pop("return", None)
    return hints
