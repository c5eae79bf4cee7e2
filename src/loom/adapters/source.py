"""A source: what publishes the things that happen in the world, as a function or as an object."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from loom.errors import ConfigError, SignatureError

if TYPE_CHECKING:
    from loom.event import Event

F = TypeVar("F", bound=Callable[..., Any])
SOURCE = "__loom_source__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


class Out(Protocol):
    """What a source publishes through: its way into the runtime, and the only one."""

    @property
    def name(self) -> str:
        """What the source is called in its runtime."""

    async def __call__(
        self, topic: str | Event, payload: Any = None, *, timeout: float | None = None, **fields: Any
    ) -> Event:
        """Publish and wait for room, at most *timeout* seconds: for what can wait, as a file can.

        Raises NotGranted for a topic that the source may not use, Overloaded, Closed and InvalidTopic.
        """

    def offer(self, topic: str | Event, payload: Any = None, **fields: Any) -> bool:
        """Publish without ever waiting: for devices. False, and counted as shed, when somebody had no room for it.

        Raises NotGranted, Closed and InvalidTopic.
        """

    def lost(self, reason: str) -> None:
        """Tell on ``loom.adapter.NAME.lost`` that the device is gone; once, until it is found again."""

    def found(self) -> None:
        """Tell on ``loom.adapter.NAME.found`` that the device is back; publishing tells it too."""

    def tell(self, what: str, **payload: Any) -> None:
        """Publish *payload* on ``loom.adapter.NAME.what``, for what is to be known of the device; never waits."""


@runtime_checkable
class EventSource(Protocol):
    """A source as an object: a device, a file, a feed.

    *topics* are the patterns it may publish on; none: whatever its configuration grants. A method ``close()`` is
    awaited, if there is one, when the runtime ends.
    """

    @property
    def name(self) -> str:
        """What it is called: letters, digits, '-' and '_'."""

    @property
    def topics(self) -> Sequence[str]:
        """The patterns it may publish on."""

    async def run(self, out: Out) -> None:
        """Publish until cancelled or done, and give the device back in ``finally``: it may be called again.

        Raise DeviceLost when the device is gone; whatever is raised, it is called again after a pause that grows.
        """


class Source(NamedTuple):
    """A named source, the function that runs it, the topics it may use (none: all), and what ends it for good."""

    name: str
    function: Callable[[Out], Awaitable[None]]
    topics: Sequence[str] = ()
    close: Callable[[], Awaitable[object]] | None = None


def as_source(thing: EventSource) -> Source:
    """*thing* as the runtime runs it."""
    return Source(thing.name, thing.run, tuple(thing.topics), getattr(thing, "close", None))


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
