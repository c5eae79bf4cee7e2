"""The pattern: which events a query looks at, by their topic and by what they say."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loom.errors import ConfigError
from loom.event import Event
from loom.event.topic import check_pattern, matches

Condition = Callable[[Event], Any]
_PLAIN = ("type", "source", "key", "thread", "topic", "confidence", "priority", "payload")
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON = re.compile(r"\s*(?P<path>[^\s=!<>]+)\s*(?:(?P<operator>[=!<>]=|<|>)\s*(?P<value>.+?)\s*)?\Z")
_WORDS = {"true": True, "false": False, "null": None}


class Pattern(NamedTuple):
    """Topics, as in a subscription, and a condition that their events have to meet."""

    topic: str
    where: Condition | None = None

    def accepts(self, event: Event) -> bool:
        """Whether *event* is on one of these topics and meets the condition."""
        if not matches(tuple(self.topic.split(".")), event.topic.split(".")):
            return False
        return self.where is None or bool(self.where(event))


def events(topic: str, where: str | Condition | None = None) -> Pattern:
    """The events on *topic* for which *where* holds: ``events("door.*", "payload.open == true")``.

    *where* is a comparison of a path with a value, a path alone (is there anything in it?), or a pure function of the
    event. Paths begin with ``payload``, ``metadata``, ``topic`` (``topic.1``: its second token) or name a field of the
    event. What is missing or cannot be compared does not hold. Raises ConfigError, InvalidTopic.
    """
    check_pattern(topic)
    return Pattern(topic, where if where is None or callable(where) else condition(where))


def condition(text: str) -> Condition:
    """The function of an event that *text* stands for; raises ConfigError."""
    found = _COMPARISON.match(text)
    if found is None:
        raise ConfigError(f"condition {text!r}: write a path, or a comparison such as 'payload.temp > 30'")
    read = reader(found["path"])
    if found["operator"] is None:
        return read
    compare, value = _OPERATORS[found["operator"]], _literal(found["value"], text)

    def holds(event: Event) -> bool:
        there = read(event)
        try:
            return there is not None and bool(compare(there, value))
        except TypeError:
            return False

    return holds


def reader(path: str) -> Callable[[Event], Any]:
    """The function that finds what lies at *path* in an event, or None; raises ConfigError."""
    field, _, rest = path.partition(".")
    if field == "metadata" and rest:
        return lambda event: event.metadata.get(rest)
    if field not in _PLAIN or (rest and field not in ("payload", "topic")):
        known = ", ".join(_PLAIN)
        raise ConfigError(f"path {path!r}: begin with one of {known}, or write metadata.NAME")
    names = rest.split(".") if rest else []

    def read(event: Event) -> Any:
        value = getattr(event, field)
        if names and field == "topic":
            value = value.split(".")
        for name in names:
            value = _inside(value, name)
        return value

    return read


def _inside(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and name.isdecimal():
        return value[int(name)] if int(name) < len(value) else None
    return None


def _literal(text: str, whole: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ConfigError(
            f"condition {whole!r}: {text!r} is no number, 'quoted' text, true or false"
        ) from None
