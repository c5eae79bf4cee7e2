"""A host adapter: everything that one platform can sense and do, as one object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from loom.adapters.sink import ActionSink


@runtime_checkable
class HostAdapter(Protocol):
    """A whole platform: a phone, a robot, a browser page. Threads, a console or a file system are not assumed."""

    @property
    def name(self) -> str:
        """What the platform is called."""

    def sources(self) -> Iterable[Any]:
        """What it can sense, as objects (EventSource) or functions marked ``@source``."""

    def sinks(self) -> Iterable[ActionSink]:
        """What it can do."""

    async def start(self) -> None:
        """Get ready; called once, before its sources run."""

    async def close(self) -> None:
        """Give everything back; called once, after its sources have ended and its sinks are closed."""
