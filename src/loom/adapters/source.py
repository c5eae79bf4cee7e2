"""A source: an async function that publishes what happens in the world."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from loom.errors import ConfigError, SignatureError

F = TypeVar("F", bound=Callable[..., Any])
SOURCE = "__loom_source__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
Out = Callable[..., Awaitable[Any]]


class Source(NamedTuple):
    """A named source and the function that runs it."""

    name: str
    function: Callable[[Out], Awaitable[None]]


def source(name: str) -> Callable[[F], F]:
    """Make the decorated ``async def f(out)`` a source; in it ``await out(topic, payload)`` publishes.

    When it raises it is started again with back-off; when it returns it is done. Raises ConfigError, SignatureError.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigError(f"source name {name!r}: use letters, digits, '-' and '_'")

    def mark(function: F) -> F:
        if not inspect.iscoroutinefunction(function):
            raise SignatureError(
                f"source {name!r} must be an async function: async def {function.__name__}(out)"
            )
        try:
            inspect.signature(function).bind(object())
        except TypeError:
            raise SignatureError(
                f"source {name!r} must take one argument: async def {function.__name__}(out)"
            ) from None
        setattr(function, SOURCE, Source(name, function))
        return function

    return mark
