"""Where a keyed agent finds the key of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loom.errors import ConfigError
from loom.event import Event

KeyOf = Callable[[Event], object]
_PLAIN = ("key", "source", "thread", "type", "topic")
_LONGEST = 512


def compile_key(path: object, owner: str) -> KeyOf:
    """A function from an event to its key, from ``"metadata.room"``, ``"payload.user.id"``, ``"topic.1"`` (tokens are
    counted from 0), ``"key"``, ``"source"``, ``"thread"``, ``"type"``, ``"topic"``, or a function; raises ConfigError.
    """
    if callable(path):
        return path
    words = path.split(".") if isinstance(path, str) else []
    if len(words) == 1 and words[0] in _PLAIN:
        name = words[0]
        return lambda event: getattr(event, name)
    if len(words) == 2 and words[0] == "topic" and words[1].isdecimal():
        return _token(int(words[1]))
    if len(words) == 2 and words[0] == "metadata":
        return lambda event: event.metadata.get(words[1])
    if len(words) > 1 and words[0] == "payload":
        return _inside(words[1:])
    raise ConfigError(
        f"class {owner}: key={path!r} leads nowhere; use 'metadata.NAME', 'payload.NAME', 'topic.N', "
        "'key', 'source', 'thread', 'type' or a function of the event"
    )


def key_text(value: object) -> str | None:
    """*value* as a key: a text or a whole number of 1 to 512 characters, no zero byte or half of a pair; else None."""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or "\0" in value:
        return None
    return value if value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value) else None


def _token(index: int) -> KeyOf:
    def of(event: Event) -> object:
        tokens = event.topic.split(".")
        return tokens[index] if index < len(tokens) else None

    return of


def _inside(names: list[str]) -> KeyOf:
    def of(event: Event) -> object:
        value: object = event.payload
        for name in names:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value

    return of
