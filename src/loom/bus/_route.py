"""Where a topic leads: the compiled list of queues behind it, and the cache of those lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import Any, NamedTuple

from loom.bus._queue import Queue
from loom.bus._topics import Topics
from loom.bus._trie import Trie
from loom.bus.spool import Spool
from loom.event import Event, QoS
from loom.event.topic import check_topic, is_exact

Where = Callable[[Event], bool]
_serials = count(1).__next__


class Entry:
    """One pattern that leads to one queue, with its filters."""

    __slots__ = ("filtered", "group", "pattern", "queue", "serial", "types", "where")

    def __init__(
        self,
        pattern: tuple[str, ...],
        queue: Queue,
        types: frozenset[str] | None = None,
        where: Where | None = None,
        group: str | None = None,
    ) -> None:
        self.pattern = pattern
        self.queue = queue
        self.types = types
        self.where = where
        self.group = group
        self.filtered = types is not None or where is not None
        self.serial = _serials()

    def wants(self, event: Event) -> bool:
        """Whether the filters let *event* through; a filter that raises lets nothing through, is counted and logged."""
        if self.types is not None and event._type not in self.types:
            return False
        if self.where is None:
            return True
        try:
            return bool(self.where(event))
        except Exception:  # noqa: BLE001 - a stranger's code: counted and logged by failed()
            self.queue.failed("where")
            return False


class Route(NamedTuple):
    """What the bus knows about one topic.

    ``only`` is the single plain queue, where there is nothing else to think of; ``direct`` all queues, the urgent ones
    first, where no event needs a closer look. ``fixed`` is where every event goes, urgent first, if no filter and no
    group has a say in it, and ``places`` what the spool made of that.
    """

    only: Queue | None
    direct: tuple[Queue, ...] | None
    plain: tuple[Entry, ...]
    groups: tuple[tuple[Entry, ...], ...]
    retained: bool
    spooled: bool = False
    fixed: tuple[Queue, ...] | None = None
    places: Any = None

    def listeners(self) -> list[Queue]:
        """The queues that an event may go to, filters and groups aside."""
        return [e.queue for e in (*self.plain, *chain.from_iterable(self.groups))]


def compile_route(entries: Iterable[Entry], observed: bool, retained: bool, spooled: bool = False) -> Route:
    """Sort the entries that match a topic into a Route."""
    ordered = sorted(entries, key=lambda e: e.serial)
    plain = tuple(e for e in ordered if e.group is None)
    names = dict.fromkeys(e.group for e in ordered if e.group is not None)
    groups = tuple(tuple(e for e in ordered if e.group == name) for name in names)
    fixed = direct = None
    if not (groups or any(e.filtered for e in plain)):
        fixed = tuple(urgent_first([e.queue for e in plain]))
        direct = None if observed or retained or spooled else fixed
    only = direct[0] if direct and len(direct) == 1 else None
    return Route(only, direct, plain, groups, retained, spooled, fixed)


def urgent_first(queues: list[Queue]) -> list[Queue]:
    """The same queues with the REALTIME ones in front."""
    return sorted(queues, key=lambda q: q.qos is not QoS.REALTIME)


def choose(route: Route, event: Event) -> Sequence[Queue]:
    """The queues *event* goes to, urgent first: every plain entry that wants it and one member of each group."""
    if route.fixed is not None:
        return route.fixed
    chosen = [e.queue for e in route.plain if not e.filtered or e.wants(event)]
    for group in route.groups:
        members = willing(group, event)
        if members:
            chosen.append(least_loaded(members, event))
    return urgent_first(chosen)


def willing(group: Iterable[Entry], event: Event) -> list[Queue]:
    """The queues of those members of a group that are open and want *event*."""
    return [e.queue for e in group if not e.queue.closed and (not e.filtered or e.wants(event))]


def least_loaded(queues: list[Queue], event: Event) -> Queue:
    """The member of a group that has room and least to do; among equals the one that has had least so far."""
    return min(queues, key=lambda q: (_full(q, event), len(q.items) + q.in_flight + q.waiting, q.accepted))


def _full(queue: Queue, event: Event) -> bool:
    return len(queue.items) >= queue.capacity or not queue.has_room(event)


def choices(route: Route, event: Event, full: list[Queue]) -> list[list[Queue]]:
    """For each full queue what may take *event* in its place: itself first, then the other members of its group."""
    found = []
    groups = [willing(group, event) for group in route.groups]
    for queue in full:
        members = next((g for g in groups if queue in g), [])
        found.append([queue, *(m for m in members if m is not queue and m.qos is not QoS.REALTIME)])
    return found


class Router:
    """Patterns in, routes out: a trie for topics seen first, a bounded cache for the rest, invalidated by pattern.

    ``plain`` leads from each cached topic straight to its only queue, or to None: what the fast path asks.
    """

    __slots__ = ("_capacity", "_retained", "_topics", "_trie", "cache", "observed", "plain", "spool")

    def __init__(self, capacity: int = 8192) -> None:
        self.cache: dict[str, Route] = {}
        self.plain: dict[str, Queue | None] = {}
        self.observed = False
        self.spool: Spool | None = None
        self._topics = Topics()
        self._capacity = max(1, capacity)
        self._trie: Trie[Entry] = Trie()
        self._retained: Trie[bool] = Trie()

    def add(self, entry: Entry) -> None:
        """Let *entry* take part."""
        self._trie.add(entry.pattern, entry)
        self._invalidate(entry.pattern)

    def remove(self, entry: Entry) -> None:
        """Let *entry* take part no longer."""
        self._trie.remove(entry.pattern, entry)
        self._invalidate(entry.pattern)

    def retain(self, pattern: tuple[str, ...]) -> None:
        """Mark the topics of *pattern* as those whose last value is kept."""
        self._retained.add(pattern, True)
        self._invalidate(pattern)

    def find(self, topic: str) -> Route:
        """The route of *topic*; raises InvalidTopic. The caller looks into ``cache`` first."""
        entries = self._trie.match(check_topic(topic))
        spooled = self.spool is not None and self.spool.keeps(topic, [e.queue for e in entries])
        route = compile_route(entries, self.observed, bool(self._retained.match(topic)), spooled)
        if route.spooled and route.fixed is not None and self.spool is not None:
            route = route._replace(places=self.spool.places(route.fixed))
        if len(self.cache) >= self._capacity:
            self._forget(next(iter(self.cache)))
        self.cache[topic] = route
        self.plain[topic] = route.only
        self._topics.add(topic)
        return route

    def clear(self) -> None:
        """Forget every compiled route."""
        self.cache.clear()
        self.plain.clear()
        self._topics.clear()

    def _invalidate(self, pattern: tuple[str, ...]) -> None:
        if is_exact(pattern):
            topic = ".".join(pattern)
            if topic in self.cache:
                self._forget(topic)
            return
        for topic in self._topics.matching(pattern):
            self._forget(topic)

    def _forget(self, topic: str) -> None:
        del self.cache[topic]
        del self.plain[topic]
        self._topics.remove(topic)
