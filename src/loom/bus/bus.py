"""The bus: one publish path from any number of publishers to bounded queues, by topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

from loom.bus._delivery import append_run, blame, deliver, deliver_direct, require_room
from loom.bus._inbox import Inbox
from loom.bus._last import LastValues
from loom.bus._policy import Aggregate, Overflow
from loom.bus._queue import Queue
from loom.bus._route import Entry, Route, Router, Where, choices, choose
from loom.bus._statistics import QueueStatistics
from loom.bus._ticketing import Line
from loom.bus.spool import Spool
from loom.bus.subscription import Subscription
from loom.clock import Clock, SystemClock
from loom.errors import Closed, InvalidTopic, LoomError
from loom.event import Event, QoS
from loom.event.topic import check_pattern, check_topic
from loom.telemetry import Observers

SLICE = 0.001  # seconds a publisher that never waits may keep the loop
_EVERY = 64  # publishes between two looks at the clock
_RUN = 512  # events appended at once
_LOOKS = 64  # looks after which the loop gets its turn whatever the clock says: a virtual one may stand still


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
        # the method of the system's clock is this function, with the price of a call
        self.monotonic = monotonic if type(self._clock) is SystemClock else self._clock.monotonic
        self._router = Router(topics)
        self._routes = self._router.cache
        self._plain = self._router.plain
        self._entries: dict[Queue, list[Entry]] = {}
        self._last = LastValues(retained)
        self._inbox = Inbox(inbox, self._come_in)
        self._burst = _EVERY
        self._looks = _LOOKS
        self.slice_end = 0.0
        self._names = self.unrouted = 0
        self.closed = False
        self.now_ms = self._clock.now_ms
        self.observers = Observers(self._observers_changed)

    # --- publishing -----------------------------------------------------------------------------------------------

    async def publish(
        self, topic: str | Event, event: Event | None = None, timeout: float | None = None
    ) -> Event:
        """Deliver *event* on *topic* (or an event that carries its topic) and return it.

        REALTIME queues are served at once; then the call waits, in line, until every BATCHED and BACKGROUND queue has
        room. Raises Overloaded after *timeout* seconds (those that had room keep the event), Closed, InvalidTopic.
        """
        try:
            if event is None:
                event, topic = topic, topic._topic  # type: ignore[union-attr,assignment]
            elif event._topic != topic:
                event = self._on_topic(event, topic)  # type: ignore[arg-type]
            queue = self._plain[topic]  # type: ignore[index]
        except KeyError:
            queue = None
        except (AttributeError, TypeError):
            blame(topic if event is None else event)
        if queue is not None and len(queue.items) < queue.limit:
            queue.items.append(event)  # type: ignore[arg-type]
            queue.accepted += 1
            if queue.idle:
                queue.notify()
            self._burst = burst = self._burst - 1
            if burst > 0:
                return event  # type: ignore[return-value]
            await self._breathe(len(queue.items) > queue.capacity >> 1)
            return event  # type: ignore[return-value]
        route = self._routes.get(topic) or self._find(topic)  # type: ignore[arg-type]
        if route.spooled:
            await self._router.spool.publish((event,), timeout)  # type: ignore[arg-type,union-attr]
            return event  # type: ignore[return-value]
        full = self._deliver(event, route)  # type: ignore[arg-type]
        if full:
            await Line(event, choices(route, event, full)).wait(timeout)  # type: ignore[arg-type]
        self._burst -= 1
        if self._burst <= 0:
            await self._breathe(self._crowded(route))
        return event  # type: ignore[return-value]

    def publish_nowait(self, topic: str | Event, event: Event | None = None) -> Event:
        """Deliver an event at once to every queue, or raise WouldBlock and deliver it to none."""
        try:
            if event is None:
                event, topic = topic, topic._topic  # type: ignore[union-attr,assignment]
            elif event._topic != topic:
                event = self._on_topic(event, topic)  # type: ignore[arg-type]
            queue = self._plain[topic]  # type: ignore[index]
        except KeyError:
            queue = None
        except (AttributeError, TypeError):
            blame(topic if event is None else event)
        if queue is not None and len(queue.items) < queue.limit:
            queue.items.append(event)  # type: ignore[arg-type]
            queue.accepted += 1
            if queue.idle:
                queue.notify()
            return event  # type: ignore[return-value]
        route = self._routes.get(topic) or self._find(topic)  # type: ignore[arg-type]
        if route.spooled:
            self._router.spool.publish_nowait(event)  # type: ignore[arg-type,union-attr]
            return event  # type: ignore[return-value]
        targets = self._targets(route, event)  # type: ignore[arg-type]
        require_room(event, targets)  # type: ignore[arg-type]
        self._routed(route, event, len(targets))  # type: ignore[arg-type]
        deliver(event, targets)  # type: ignore[arg-type]
        return event  # type: ignore[return-value]

    def offer(self, topic: str | Event, event: Event | None = None) -> int:
        """Deliver an event to every queue that can take it now; the others refuse and count. Returns how many did."""
        event, route = self._resolve(topic, event)
        targets = self._targets(route, event)
        if route.spooled:
            took = self._router.spool.offer(event)  # type: ignore[union-attr]
            return sum([q.durable or q.has_room(event) for q in targets]) if took else 0
        self._routed(route, event, len(targets))
        return sum([queue.put(event) for queue in targets])

    async def publish_many(self, events: Sequence[Event], timeout: float | None = None) -> None:
        """Publish events that carry their topics, in order; one call costs far less than many.

        *timeout* seconds apply to each wait. Raises like ``publish``; the events before the one that failed are out.
        """
        start = 0
        while start < len(events):
            taken = self._run_of(events, start)
            if not taken and (run := self._spooled_run(events, start)):
                await self._router.spool.publish(run, timeout)  # type: ignore[union-attr]
                taken = len(run)
            elif not taken:
                await self.publish(events[start], None, timeout)
                taken = 1
            start += taken
        self._burst -= _EVERY >> 2
        if self._burst <= 0:
            await self._breathe()

    def publish_threadsafe(self, topic: str | Event, event: Event | None = None) -> bool:
        """Offer an event from another thread, as from an audio or camera callback; never waits.

        False, and counted in ``refused_threadsafe``, when *inbox* events are already on their way or the bus is closed.
        Raises InvalidTopic in the calling thread.
        """
        thing = topic if event is None else event
        if not isinstance(thing, Event):
            blame(thing)
        checked = check_topic(thing._topic if event is None else topic)  # type: ignore[arg-type]
        return self._inbox.put(thing._stamp(checked))

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
            name or f"{pattern}#{self._names}", qos, capacity, overflow,
            sample=sample, aggregate=aggregate, shed_at=shed_at,
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
        queue.on_accept = self._accepted if self.observers.watches("accepted") else None
        self._entries.setdefault(queue, []).append(entry)
        self._router.add(entry)
        self._inbox.serve()
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
        """Put the retained values that match *entry* into its queue; what has no room is counted as refused."""
        for event in self._last.matching(entry.pattern):
            if not entry.filtered or entry.wants(event):
                entry.queue.put(event)

    # --- the whole ------------------------------------------------------------------------------------------------

    @property
    def inbox_length(self) -> int:
        """Events other threads have published that are still on their way in."""
        return len(self._inbox)

    @property
    def refused_threadsafe(self) -> int:
        """Events from other threads that were turned away before they reached a queue."""
        return self._inbox.refused

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
        self._inbox.close()
        self._router.clear()
        for queue in self.queues():
            queue.close()
            queue.notify()
        self._entries.clear()

    def attach_spool(self, spool: Spool) -> None:
        """From now on let *spool* say which topics are kept on disk, and keep their events before they are seen."""
        self._router.spool = spool
        self._router.clear()

    def route(self, topic: str) -> Route:
        """Where events on *topic* go; raises InvalidTopic, Closed."""
        return self._routes.get(topic) or self._find(topic)

    def spooled(self, topic: str) -> bool:
        """Whether events on *topic* are kept on disk before they are seen."""
        return self.route(topic).spooled

    def receivers(self, event: Event) -> Sequence[Queue]:
        """The queues *event* would go to now."""
        return choose(self._routes.get(event._topic) or self._find(event._topic), event)

    def deliver(self, event: Event) -> list[list[Queue]]:
        """Deliver to all that have room; return the full queues, each with the full members of its group."""
        route = self._routes.get(event._topic) or self._find(event._topic)
        full = self._deliver(event, route)
        return choices(route, event, full) if full else []

    # --- inside ---------------------------------------------------------------------------------------------------

    def _spooled_run(self, events: Sequence[Event], start: int) -> Sequence[Event]:
        end = start
        while end < len(events) and self.spooled(events[end]._topic):
            end += 1
        return events[start:end]

    def _find(self, topic: str) -> Route:
        if self.closed:
            raise Closed("the bus is closed; nothing can be published any more")
        if topic == "":
            raise InvalidTopic("the event has no topic; publish(topic, event) gives it one")
        self._inbox.serve()
        return self._router.find(topic)

    def _on_topic(self, event: Event, topic: str) -> Event:
        """*event* on *topic*, which is known to be valid before the event is touched."""
        if type(topic) is not str or topic not in self._routes:
            self._find(check_topic(topic))
        return event._stamp(topic)

    def _resolve(self, topic: str | Event, event: Event | None) -> tuple[Event, Route]:
        thing = topic if event is None else event
        if not isinstance(thing, Event):
            blame(thing)
        if event is not None and event._topic != topic:
            thing = self._on_topic(event, topic)  # type: ignore[arg-type]
        return thing, self._routes.get(thing._topic) or self._find(thing._topic)

    def _deliver(self, event: Event, route: Route) -> list[Queue]:
        if route.direct:
            return deliver_direct(event, route.direct)
        targets = choose(route, event)
        self._routed(route, event, len(targets))
        return deliver(event, targets)

    def _targets(self, route: Route, event: Event) -> Sequence[Queue]:
        return choose(route, event) if route.direct is None else route.direct

    def _routed(self, route: Route, event: Event, queues: int) -> None:
        if not queues:
            self.unrouted += 1
        if route.retained:
            self._last.keep(event)
        if self._router.observed:
            self.observers.tell("routed", event, queues)

    def _run_of(self, events: Sequence[Event], start: int) -> int:
        """Append the longest run of events on one plain topic that fits its queue; returns its length."""
        try:
            topic = events[start]._topic
        except AttributeError:
            blame(events[start])
        queue = (self._routes.get(topic) or self._find(topic)).only
        return 0 if queue is None else append_run(queue, events, start, _RUN)

    async def breathe(self) -> None:
        """Let the loop run, and begin another slice."""
        await asyncio.sleep(0)
        self.slice_end = self.monotonic() + SLICE

    async def _breathe(self, crowded: bool = False) -> None:
        """Breathe if this slice is used up, or a queue fills: who never waits must not starve the others."""
        self._burst = _EVERY
        self._looks -= 1
        if crowded or self._looks <= 0 or self.monotonic() > self.slice_end:
            self._looks = _LOOKS
            await self.breathe()

    def _crowded(self, route: Route) -> bool:
        return any(len(q.items) > q.capacity >> 1 for q in route.direct or ())

    def _come_in(self, event: Event) -> bool:
        try:
            self.offer(event)
        except LoomError:
            return False
        return True

    def _accepted(self, queue: Queue, event: Event) -> None:
        self.observers.tell("accepted", queue.name, event)

    def _lost(self, queue: Queue, event: Event, reason: str) -> None:
        if self.observers.dropped:  # type: ignore[attr-defined]
            self.observers.tell("dropped", queue.name, event, reason)

    def _observers_changed(self) -> None:
        self._router.observed = self.observers.watches("routed", "accepted")
        accepted = self._accepted if self.observers.watches("accepted") else None
        for queue in self._entries:
            queue.on_accept = accepted
        self._router.clear()
