"""Typed answers: the schema that is asked for, the JSON found in what came, and the object made of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from sys import float_info
from typing import Any, NamedTuple, NoReturn

from loom.errors import ConfigError
from loom.router.tools._json_schema import fault, unsound
from loom.router.tools._shapes import Form, Unfit, form_of

LONGEST = 1_000_000  # characters of an answer that are looked at
MOST_READ = 3 * LONGEST  # characters that are read in all: what is no JSON may begin at each of these places
_STARTS = 100  # places at which JSON is sought in a text
_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_HEAD = 200
VALUE = "value"
"""The property of an answer that is no object by itself: backends want an object at the root."""


class Shape(NamedTuple):
    """What an answer is to be: *schema* has an object at its root, *wrapped* when the answer is its ``value``."""

    schema: Mapping[str, Any]
    wrapped: bool
    build: Callable[[Any, str], Any]

    def read(self, text: str) -> Any:
        """The answer in *text*; raises Unfit saying what is wrong with it, and where."""
        value = find_json(text, self.wants)
        inner = self.schema["properties"][VALUE] if self.wrapped else self.schema
        if self.wrapped and isinstance(value, dict) and set(value) == {VALUE}:
            value = value[VALUE]
        wrong = fault(inner, value)
        if wrong is not None:
            raise Unfit(wrong)
        return self.build(value, "answer")

    @property
    def wants(self) -> type:
        """What JSON in the middle of a text is taken for the answer: an object, or a list too."""
        return object if self.wrapped else dict


def shape_of(wanted: Any) -> Shape:
    """The shape of *wanted*: a dataclass, TypedDict, Enum, ``list[...]`` and so on, or a JSON schema as a dict.

    Raises ConfigError for what has no JSON form.
    """
    schema, build = Form(_checked(wanted), _as_it_is) if isinstance(wanted, Mapping) else form_of(wanted)
    if schema.get("type") == "object":
        return Shape(schema, False, build)
    wrapper = {
        "type": "object",
        "properties": {VALUE: schema},
        "required": [VALUE],
        "additionalProperties": False,
    }
    if isinstance(wanted, Mapping):
        wrapper.update({name: schema[name] for name in ("$defs", "definitions") if name in schema})
    return Shape(wrapper, True, build)


def _as_it_is(value: Any, where: str) -> Any:
    return value


def _checked(schema: Mapping[str, Any]) -> dict[str, Any]:
    made: Any = None
    try:
        made = json.loads(json.dumps(schema))
        wrong = unsound(made)
    except (TypeError, ValueError, RecursionError) as error:
        wrong = str(error)
    if wrong is not None:
        raise ConfigError(f"schema= is no JSON schema: {wrong}; give a dict of plain values, or a class")
    return dict(made)


def find_json(text: str, wants: type = object) -> Any:
    """The JSON in *text*: all of it, what stands in a code fence, or the first object or list in it.

    *wants* is dict when only an object will do. Raises Unfit when there is none.
    """
    if len(text) > LONGEST:
        raise Unfit(f"the answer has {len(text):,} characters, at most {LONGEST:,} are read")
    problem, read = "", 0
    for start, end in _places(text):
        if read > MOST_READ:
            break
        try:
            value, stop = _DECODER.raw_decode(text, start)
            read += stop - start
        except (ValueError, RecursionError) as error:
            read += getattr(error, "pos", len(text)) - start
            problem = problem or f"the answer is no JSON: {error}"[:_HEAD]
            continue
        if end is not None and (rest := text[stop:end].strip()):
            problem = problem or f"the answer goes on after its JSON: {rest[:40]!r}"
        elif end is not None or (isinstance(value, wants) and isinstance(value, dict | list)):
            return value
    raise Unfit(problem or "the answer is empty")


def _places(text: str) -> Iterator[tuple[int, int | None]]:
    """Where JSON may begin in *text*, and where it must have ended; None: anywhere."""
    if found := re.search(r"\S", text):
        yield found.start(), len(text)
    for fence in islice(_FENCE.finditer(text), _STARTS):
        if inside := re.compile(r"\S").search(text, fence.start(1), fence.end(1)):
            yield inside.start(), fence.end(1)
    for bracket in islice(re.finditer(r"[{\[]", text), _STARTS):
        yield bracket.start(), None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) <= float_info.max else _no_constant(text[:20])


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def repair(wrong: str, cut: bool) -> str:
    """What the model is told about an answer that does not do; *cut*: it was stopped at its length."""
    more = " It was cut off at max_tokens: be shorter." if cut else ""
    return (
        f"That answer cannot be used: {wrong}.{more} Answer again, with JSON of the schema and nothing else."
    )


def head(text: str) -> str:
    """The beginning of *text*, for messages."""
    return text if len(text) <= _HEAD else f"{text[:_HEAD]}..."
