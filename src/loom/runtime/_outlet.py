"""What a source publishes through: it checks what the source may do, and counts what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from loom.bus import Bus
from loom.errors import Closed, NotGranted
from loom.event import Event
from loom.event.topic import check_pattern, matches

_REMEMBERED = 1024  # topics of which it is known that they are granted


class Outlet:
    """The Out of one source. It may publish on *topics* (its own) as far as *granted* (by the configuration) goes.

    While ``open`` is False nothing passes. ``published``, ``shed`` and ``refused`` count.
    """

    def __init__(
        self, name: str, bus: Bus, topics: Iterable[str] = (), granted: Iterable[str] | None = None
    ) -> None:
        self.name = name
        self.open = False
        self.published = self.shed = self.refused = 0
        self.gone: str | None = None
        """Why the device is away; None while it is there."""
        self.waiting: set[asyncio.Task[Any]] = set()
        """The tasks that wait for room."""
        self._bus = bus
        self._rules = [
            tuple(check_pattern(pattern) for pattern in patterns)
            for patterns in (tuple(topics) or None, granted)
            if patterns is not None
        ]
        self._known: set[str] = set()

    async def __call__(
        self, topic: str | Event, payload: Any = None, *, timeout: float | None = None, **fields: Any
    ) -> Event:
        """Publish one event of this source; waits for room like ``publish``."""
        event = self._event(topic, payload, fields)
        task = asyncio.current_task()
        assert task is not None
        self.waiting.add(task)
        try:
            await self._bus.publish(event, None, timeout)
        finally:
            self.waiting.discard(task)
        self._went_out()
        return event

    def offer(self, topic: str | Event, payload: Any = None, **fields: Any) -> bool:
        """Publish to whom has room; False, and counted, when somebody had none."""
        event = self._event(topic, payload, fields)
        wanted = len(self._bus.receivers(event))
        if self._bus.offer(event) < wanted:
            self.shed += 1
            return False
        self._went_out()
        return True

    def lost(self, reason: str) -> None:
        """Tell that the device is gone, once."""
        if self.gone is None:
            self.gone = reason
            self.tell("lost", reason=reason)

    def found(self) -> None:
        """Tell that the device is back, if it was gone."""
        if self.gone is not None:
            self.gone = None
            self.tell("found")

    def tell(self, what: str, **payload: Any) -> None:
        """Publish ``loom.adapter.NAME.what`` in the runtime's name; never waits."""
        if not self._bus.closed:
            self._bus.offer(Event(what, payload, topic=f"loom.adapter.{self.name}.{what}", source="loom"))

    def _went_out(self) -> None:
        self.published += 1
        if self.gone is not None:
            self.found()

    def _event(self, topic: str | Event, payload: Any, fields: dict[str, Any]) -> Event:
        if not self.open:
            raise Closed(f"source {self.name!r} is off; nothing of it is published")
        if isinstance(topic, Event):
            event = topic
        else:
            event = Event(
                payload=payload,
                topic=topic,
                **{"source": self.name, "type": topic.rpartition(".")[2], **fields},
            )
        if self._rules and event.topic not in self._known:
            self._check(event.topic)  # an invalid topic is refused here or, where ">" is granted, by the bus
        return event

    def _check(self, topic: str) -> None:
        tokens = topic.split(".")
        for patterns in self._rules:
            if not any(matches(pattern, tokens) for pattern in patterns):
                self.refused += 1
                allowed = ", ".join(".".join(pattern) for pattern in patterns) or "no topic"
                raise NotGranted(
                    f"source {self.name!r} may not publish on {topic!r}; it is granted {allowed}"
                )
        if len(self._known) < _REMEMBERED:
            self._known.add(topic)
