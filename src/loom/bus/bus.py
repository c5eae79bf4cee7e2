"""The bus: one publish path from any number of publishers to bounded queues, by topic."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any

from loom.bus._queue import Aggregate, Overflow, Queue, QueueStatistics
from loom.bus._route import Entry, Route, Router, Where, choose
from loom.bus._ticketing import Line
from loom.bus.subscription import Subscription
from loom.clock import Clock, SystemClock
from loom.errors import Closed, InvalidTopic, Overloaded, WouldBlock
from loom.event import Event, QoS
from loom.event.topic import check_pattern
from loom.telemetry import Observers

SLICE = 0.001
_EVERY = 64


class Bus:
    """Delivers events to the subscriptions whose pattern matches their topic.

    Every queue is bounded: REALTIME ones shed by policy, the others make ``publish`` wait. Not thread-safe, except
    ``publish_threadsafe``. *topics* bounds the cache of compiled routes, *retained* the topics whose last value is
    kept, *inbox* the events other threads may have on their way in.
    """

    def __init__(
        self, clock: Clock | None = None, *, topics: int = 8192, retained: int = 1024, inbox: int = 1024
    ) -> None:
        self._clock = clock or SystemClock()
        self._router = Router(topics)
        self._routes = self._router.cache
        self._entries: dict[Queue, list[Entry]] = {}
        self._last: OrderedDict[str, Event] = OrderedDict()
        self._retained = retained
        self._inbox: deque[Event] = deque()
        self._inbox_limit = inbox
        self._inbox_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._burst = _EVERY
        self._slice_end = 0.0
        self._names = 0
        self.closed = False
        self.unrouted = 0
        self.refused_threadsafe = 0
        self.now_ms = self._clock.now_ms
        self.observers = Observers(self._observers_changed)

    # --- publishing -----------------------------------------------------------------------------------------------

    async def publish(self, topic: str | Event, event: Event | None = None, timeout: float | None = None) -> Event:
        """Deliver *event* on *topic* (or an event that carries its topic) and return it.

        REALTIME queues are served at once; then the call waits, in line, until every BATCHED and BACKGROUND queue has
        room. Raises Overloaded after *timeout* seconds (those that had room keep the event), Closed, InvalidTopic.
        """
        if event is None:
            event, topic = topic, topic._topic  # type: ignore[union-attr,assignment]
        elif event._topic != topic:
            event = event._stamp(topic)  # type: ignore[arg-type]
        route = self._routes.get(topic)  # type: ignore[arg-type]
        if route is not None and route.only is not None:
            queue = route.only
            if len(queue.items) < queue.limit:
                queue.items.append(event)  # type: ignore[arg-type]
                queue.accepted = accepted = queue.accepted + 1
                if queue.idle:
                    queue.notify()
                if accepted & 63:
                    return event  # type: ignore[return-value]
                await self._breathe(len(queue.items) > queue.capacity >> 1)
                return event  # type: ignore[return-value]
        full = self._deliver(event, route or self._find(topic))  # type: ignore[arg-type]
        if full:
            await Line(event, full).wait(timeout)  # type: ignore[arg-type]
        self._burst -= 1
        if self._burst <= 0:
            await self._breathe(route is not None and self._crowded(route))
        return event  # type: ignore[return-value]

    def publish_nowait(self, topic: str | Event, event: Event | None = None) -> Event:
        """Deliver an event at once to every queue, or raise WouldBlock and deliver it to none."""
        if event is None:
            event, topic = topic, topic._topic  # type: ignore[union-attr,assignment]
        elif event._topic != topic:
            event = event._stamp(topic)  # type: ignore[arg-type]
        route = self._routes.get(topic) or self._find(topic)  # type: ignore[arg-type]
        queue = route.only
        if queue is not None and len(queue.items) < queue.limit:
            queue.items.append(event)  # type: ignore[arg-type]
            queue.accepted += 1
            if queue.idle:
                queue.notify()
            return event  # type: ignore[return-value]
        urgent, others = self._targets(route, event)  # type: ignore[arg-type]
        for other in others:
            if len(other.items) >= other.limit and not other.has_room(event):  # type: ignore[arg-type]
                other.put(event)  # type: ignore[arg-type]
                raise WouldBlock(f"{other.qos} queue of {other.name!r} is full ({len(other.items)} events)")
        for target in (*urgent, *others):
            self._put(target, event)  # type: ignore[arg-type]
        return event  # type: ignore[return-value]

    def offer(self, topic: str | Event, event: Event | None = None) -> int:
        """Deliver an event to every queue that can take it now; the others refuse and count. Returns how many took it."""
        event, route = self._resolve(topic, event)
        urgent, others = self._targets(route, event)
        return sum([self._put(queue, event) for queue in (*urgent, *others)])

    async def publish_many(self, events: Sequence[Event], timeout: float | None = None) -> None:
        """Publish events that carry their topics, in order; one call costs far less than many.

        *timeout* seconds apply to each wait. Raises like ``publish``; the events before the one that failed are out.
        """
        start = 0
        while start < len(events):
            taken = self._run_of(events, start)
            if taken:
                start += taken
            else:
                await self.publish(events[start], None, timeout)
                start += 1
        self._burst -= _EVERY >> 2
        if self._burst <= 0:
            await self._breathe()

    def publish_threadsafe(self, topic: str | Event, event: Event | None = None) -> bool:
        """Offer an event from another thread, as from an audio or camera callback; never waits.

        False, and counted in ``refused_threadsafe``, when *inbox* events are already on their way or the bus is closed.
        """
        if event is None:
            if not isinstance(topic, Event):
                raise InvalidTopic(f"publish_threadsafe needs an Event, not {type(topic).__name__}")
            event = topic
        else:
            event = event._stamp(str(topic))
        with self._inbox_lock:
            if self._loop is None or self.closed or len(self._inbox) >= self._inbox_limit:
                self.refused_threadsafe += 1
                return False
            self._inbox.append(event)
            if len(self._inbox) == 1:
                self._loop.call_soon_threadsafe(self._drain_inbox)
        return True

    # --- subscribing ----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        pattern: str,
        *,
        types: Iterable[str] | None = None,
        where: Where | None = None,
        qos: QoS = QoS.BATCHED,
        capacity: int | None = None,
        overflow: Overflow | None = None,
        group: str | None = None,
        name: str | None = None,
        sample: int = 10,
        aggregate: Aggregate | None = None,
        shed_at: int | None = None,
        last: bool = False,
    ) -> Subscription:
        """Receive what is published on topics that match *pattern* from now on.

        *types* keeps only these event types, *where* only events for which it is true. Members of one *group* share the
        work. *overflow* (REALTIME only): ``drop_oldest``, ``drop_newest``, ``latest`` per key, ``sample`` one in
        *sample*, ``aggregate`` by a function; the least ``priority`` is lost first. *shed_at* bounds the queued events
        of any one topic. *last* begins with the last value of every matching topic (see ``retain``).
        Raises InvalidTopic, ConfigError.
        """
        self._names += 1
        queue = Queue(
            name or f"{pattern}#{self._names}", qos, capacity, overflow, sample=sample, aggregate=aggregate, shed_at=shed_at
        )  # fmt: skip
        entry = self.attach(pattern, queue, types=types, where=where, group=group)
        subscription = Subscription(self, entry)
        if last:
            self.replay_last(entry)
        return subscription

    def attach(
        self,
        pattern: str,
        queue: Queue,
        *,
        types: Iterable[str] | None = None,
        where: Where | None = None,
        group: str | None = None,
    ) -> Entry:
        """Let *pattern* lead to *queue*: what ``subscribe`` and the agents are built on."""
        if self.closed:
            raise Closed("the bus is closed")
        wanted = None if types is None else frozenset([types] if isinstance(types, str) else types)
        entry = Entry(check_pattern(pattern), queue, wanted, where, group)
        queue.on_loss = self._lost
        self._entries.setdefault(queue, []).append(entry)
        self._router.add(entry)
        self._loop = self._loop or _running_loop()
        return entry

    def detach(self, entry: Entry) -> None:
        """Undo an ``attach``; the queue keeps what it has."""
        entries = self._entries.get(entry.queue, [])
        if entry in entries:
            entries.remove(entry)
            self._router.remove(entry)
            if not entries:
                del self._entries[entry.queue]

    def retain(self, pattern: str) -> None:
        """Keep the last value of every topic that matches *pattern*, for ``last`` and ``subscribe(last=True)``."""
        self._router.retain(check_pattern(pattern))

    def last(self, topic: str) -> Event | None:
        """The last event on a retained topic."""
        return self._last.get(topic)

    def replay_last(self, entry: Entry) -> None:
        """Put the retained values that match *entry* into its queue."""
        for topic, event in self._last.items():
            if entry in (*(r := self._routes.get(topic) or self._find(topic)).plain, *sum(r.groups, ())):
                if not entry.filtered or entry.wants(event):
                    self._put(entry.queue, event)

    # --- the whole ------------------------------------------------------------------------------------------------

    @property
    def inbox_length(self) -> int:
        """Events other threads have published that are still on their way in."""
        return len(self._inbox)

    def queues(self) -> list[Queue]:
        """Every queue attached now."""
        return list(self._entries)

    def statistics(self) -> list[QueueStatistics]:
        """A snapshot of every queue attached now."""
        return [queue.statistics() for queue in self._entries]

    def cancel(self, doomed: Callable[[Event], bool]) -> int:
        """Take every queued or waiting event for which *doomed* is true out of all queues; returns how many."""
        return sum(queue.cancel(doomed) for queue in self.queues())

    def close(self) -> None:
        """Close every queue; publishing afterwards raises Closed."""
        self.closed = True
        self._routes.clear()
        for queue in self.queues():
            queue.close()
            queue.notify()
        self._entries.clear()

    def receivers(self, event: Event) -> list[Queue]:
        """The queues *event* would go to now."""
        urgent, others = choose(self._routes.get(event._topic) or self._find(event._topic), event)
        return urgent + others

    def deliver(self, event: Event) -> list[Queue]:
        """Deliver to all that can take it now and return the queues the publisher would have to wait for."""
        return self._deliver(event, self._routes.get(event._topic) or self._find(event._topic))

    # --- inside ---------------------------------------------------------------------------------------------------

    def _find(self, topic: str) -> Route:
        if self.closed:
            raise Closed("the bus is closed; nothing can be published any more")
        if not topic:
            raise InvalidTopic("the event has no topic; publish(topic, event) gives it one")
        self._loop = self._loop or _running_loop()
        return self._router.find(topic)

    def _resolve(self, topic: str | Event, event: Event | None) -> tuple[Event, Route]:
        if event is None:
            if not isinstance(topic, Event):
                raise InvalidTopic(f"publish needs an Event, not {type(topic).__name__}")
            event = topic
        else:
            event = event._stamp(str(topic))
        return event, self._routes.get(event._topic) or self._find(event._topic)

    def _deliver(self, event: Event, route: Route) -> list[Queue]:
        if route.direct:
            return self._deliver_direct(event, route.direct)
        urgent, others = self._targets(route, event)
        for queue in urgent:
            self._put(queue, event)
        full = []
        for queue in others:
            if queue.closed or queue.has_room(event):
                self._put(queue, event)
            else:
                full.append(queue)
        return full

    def _deliver_direct(self, event: Event, queues: tuple[Queue, ...]) -> list[Queue]:
        """Put *event* into plain queues, the urgent ones first; returns those that have no room."""
        full = []
        for queue in queues:
            if len(queue.items) < queue.limit:
                queue.items.append(event)
                queue.accepted += 1
                if queue.idle:
                    queue.notify()
            elif queue.closed or queue.has_room(event):
                queue.put(event)
            else:
                full.append(queue)
        return full

    def _targets(self, route: Route, event: Event) -> tuple[Sequence[Queue], Sequence[Queue]]:
        if route.direct is not None:
            if not route.direct:
                self.unrouted += 1
            first = next((i for i, q in enumerate(route.direct) if q.qos is not QoS.REALTIME), len(route.direct))
            return route.direct[:first], route.direct[first:]
        targets = choose(route, event)
        if route.retained:
            self._keep_last(event)
        if self._router.observed:
            self.observers.tell("routed", event, len(targets.urgent) + len(targets.others))
        return targets

    def _put(self, queue: Queue, event: Event) -> bool:
        took = queue.put(event)
        if took and self._router.observed:
            self.observers.tell("accepted", queue.name, event)
        return took

    def _run_of(self, events: Sequence[Event], start: int) -> int:
        """Append the longest run of events on one plain topic that fits its queue; returns its length."""
        topic = events[start]._topic
        route = self._routes.get(topic) or self._find(topic)
        queue = route.only
        if queue is None:
            return 0
        stop = min(len(events), start + queue.limit - len(queue.items))
        run = events[start:stop]
        for end, event in enumerate(run):
            if event._topic != topic:
                run = run[:end]
                break
        if not run:
            return 0
        queue.items.extend(run)
        queue.accepted += len(run)
        if queue.idle:
            queue.notify()
        return len(run)

    def _keep_last(self, event: Event) -> None:
        self._last[event._topic] = event
        self._last.move_to_end(event._topic)
        if len(self._last) > self._retained:
            self._last.popitem(last=False)

    async def _breathe(self, crowded: bool = False) -> None:
        """Let the loop run if this slice is used up, or a queue fills: a publisher that never waits must not starve it."""
        self._burst = _EVERY
        if crowded or monotonic() > self._slice_end:
            await asyncio.sleep(0)
            self._slice_end = monotonic() + SLICE

    def _crowded(self, route: Route) -> bool:
        return any(len(q.items) > q.capacity >> 1 for q in route.direct or ())

    def _drain_inbox(self) -> None:
        while True:
            with self._inbox_lock:
                if not self._inbox:
                    return
                batch = list(self._inbox)
                self._inbox.clear()
            for event in batch:
                try:
                    self.offer(event)
                except (InvalidTopic, Closed):
                    self.refused_threadsafe += 1

    def _lost(self, queue: Queue, event: Event, reason: str) -> None:
        if self.observers.dropped:  # type: ignore[attr-defined]
            self.observers.tell("dropped", queue.name, event, reason)

    def _observers_changed(self) -> None:
        self._router.observed = self.observers.watches("routed", "accepted")
        self._router.clear()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


__all__ = ["Bus", "Overloaded"]
