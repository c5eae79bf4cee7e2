"""What a source publishes through: it checks what the source may do, and counts what became of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from loom.bus import Bus
from loom.errors import Closed, NotGranted, Overloaded, StoreError
from loom.event import Event
from loom.event.topic import check_pattern, matches

log = logging.getLogger("loom.source")
_LAST = 100  # priority of what ends a stream: of what is shed it would be the very last
_STREAMS = 64  # streams of sound whose end is looked after
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
        self._streams: dict[str, Any] = {}

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
        self._went_out(event)
        return event

    def offer(self, topic: str | Event, payload: Any = None, **fields: Any) -> bool:
        """Publish to whom has room; False, and counted, when somebody had none."""
        event = self._event(topic, payload, fields)
        wanted = len(self._bus.receivers(event))
        if self._bus.offer(event) < wanted:
            self.shed += 1
            return False
        self._went_out(event)
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

    async def finish(self, timeout: float) -> None:
        """End the streams of sound that have broken off, each with an empty last chunk, within *timeout* seconds."""
        streams, self._streams = self._streams, {}
        if streams:
            await asyncio.gather(*(self._end(topic, sound, timeout) for topic, sound in streams.items()))

    async def _end(self, topic: str, sound: Any, timeout: float) -> None:
        end = replace(sound, pcm=b"", number=sound.number + 1, at=sound.at + sound.seconds, last=True)
        event = Event("end", end, topic=topic, source=self.name, priority=_LAST)
        try:
            await self._bus.publish(event, None, timeout)
        except (Overloaded, Closed, StoreError) as error:
            log.warning("source %s: the end of its stream on %s was lost: %s", self.name, topic, error)

    def _went_out(self, event: Event) -> None:
        self.published += 1
        if getattr(event.payload, "__loom_audio__", False):
            self._in_stream(event.topic, event.payload)
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

    def _in_stream(self, topic: str, sound: Any) -> None:
        if sound.last:
            self._streams.pop(topic, None)
        elif topic in self._streams or len(self._streams) < _STREAMS:
            self._streams[topic] = sound

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
