"""The Spool protocol: how the bus hands over what must be on disk before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from loom.event import Event

if TYPE_CHECKING:
    from loom.bus._queue import Queue


class Spool(Protocol):
    """Keeps the events of some topics and lets the bus deliver each once it is kept."""

    def keeps(self, topic: str, queues: Iterable[Queue]) -> bool:
        """Whether events on *topic*, which lead to *queues*, are kept. Asked once for each route."""
        ...

    def places(self, queues: Iterable[Queue]) -> Any:
        """What a publisher of an event that goes to *queues* needs a place in; its route remembers it."""
        ...

    async def publish(self, events: Sequence[Event], timeout: float | None) -> None:
        """Wait for room, keep *events* in order and deliver them; raises Overloaded (nothing of the rest is kept)."""
        ...

    def publish_nowait(self, event: Event) -> None:
        """Have *event* kept and delivered soon, or raise WouldBlock."""
        ...

    def offer(self, event: Event) -> bool:
        """Have *event* kept and delivered soon; False, and counted, when there is no room for it now."""
        ...
