"""The last value of each topic that somebody asked to keep."""

from __future__ import annotations

from collections import OrderedDict

from loom.event import Event
from loom.event.topic import matches


class LastValues:
    """One event a topic, bounded: the topic that has been silent longest is forgotten first."""

    __slots__ = ("_capacity", "_events")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._events: OrderedDict[str, Event] = OrderedDict()

    def keep(self, event: Event) -> None:
        """Let *event* be the last value of its topic."""
        self._events[event._topic] = event
        self._events.move_to_end(event._topic)
        if len(self._events) > self._capacity:
            self._events.popitem(last=False)

    def get(self, topic: str) -> Event | None:
        """The last event on *topic*."""
        return self._events.get(topic)

    def matching(self, pattern: tuple[str, ...]) -> list[Event]:
        """The last values of all topics that match, the longest silent first."""
        return [event for topic, event in self._events.items() if matches(pattern, topic.split("."))]
