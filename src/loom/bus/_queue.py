"""The bounded queue behind every subscription: a pure data structure whose counts always add up.

The law, true after every call: ``offered = accepted + refused`` and
``accepted = queued + in_flight + delivered + merged + dropped + expired + cancelled``.
Whoever is told of a loss or an arrival is told last, when the queue is in order again: it may publish.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

from loom.bus._policy import Aggregate, Overflow, Policy, resolve_overflow, resolve_qos
from loom.bus._statistics import QueueStatistics
from loom.bus._ticket import Ticket
from loom.event import Event, QoS

log = logging.getLogger("loom.bus")
_NO_LINE: deque[Ticket] = deque(maxlen=0)  # the line of every queue nobody has waited at yet


class Queue:
    """A bounded queue with a QoS, an overflow policy and exact accounting.

    REALTIME never makes a publisher wait: when full, its overflow policy decides who is lost. BATCHED and BACKGROUND
    refuse when full; publishers that can wait stand in line with a Ticket, and nobody overtakes them.
    ``limit`` is what the fast path compares with: the capacity while a bare append is the whole truth, else 0.
    """

    __slots__ = (
        "_aggregate", "_by_topic", "_clock", "_every", "_sampled", "accepted", "arrivals", "cancelled",
        "capacity", "closed", "delivered", "dropped", "errors", "expired", "idle", "in_flight", "items", "limit",
        "merged", "name", "notify", "on_accept", "on_loss", "overflow", "owner", "qos", "refused", "shed_at",
        "simple", "tickets",
    )  # fmt: skip
    durable = False

    def __init__(
        self,
        name: str,
        qos: QoS = QoS.BATCHED,
        capacity: int | None = None,
        overflow: Overflow | None = None,
        *,
        sample: int = 10,
        aggregate: Aggregate | None = None,
        shed_at: int | None = None,
        arrivals: Callable[[], int] | None = None,
    ) -> None:
        self.name = name
        self.qos = resolve_qos(name, qos)
        self.capacity = self.qos.default_capacity if capacity is None else capacity
        self.overflow = resolve_overflow(name, self.qos, overflow)
        Policy(name, self.qos, self.capacity, self.overflow, sample, aggregate, shed_at).checked()
        self.items: deque[Event] = deque()
        self.shed_at = shed_at
        self.accepted = self.refused = self.delivered = self.in_flight = 0
        self.merged = self.expired = self.cancelled = self.errors = 0
        self.dropped: Counter[str] = Counter()
        self.closed, self.idle = False, True
        self.notify: Callable[[], None] = _nobody
        self.on_accept: Callable[[Queue, Event], None] | None = None
        self.on_loss: Callable[[Queue, Event, str], None] | None = None
        self.owner: object = None
        self.arrivals: deque[int] | None = None if arrivals is None else deque()
        self._clock, self._aggregate, self._every, self._sampled = arrivals, aggregate, sample, 0
        self._by_topic: Counter[str] | None = None if shed_at is None else Counter()
        self.tickets: deque[Ticket] = _NO_LINE
        self.simple = arrivals is None and shed_at is None and self.overflow != "latest"
        self.limit = 0
        self._relimit()

    def put(self, event: Event) -> bool:
        """Take *event* in if that needs no waiting; False, and counted as refused, if it does or the queue is closed.

        For REALTIME the answer is True: overflow is decided here, and a loss is counted with its reason.
        """
        if self.closed or not self.has_room(event):
            self._refuse(event)
            return False
        self._accept(event)
        return True

    def has_room(self, event: Event) -> bool:
        """Whether *event* would be accepted now without waiting and without overtaking anybody."""
        if self.qos is QoS.REALTIME:
            return True
        if self.tickets or len(self.items) >= self.capacity:
            return False
        return self._by_topic is None or self._by_topic[event._topic] < (self.shed_at or 0)

    def stand_in_line(self, ticket: Ticket) -> None:
        """Let *ticket* wait behind those already waiting; its event enters, and it is woken, when there is room."""
        if self._clock is not None and not ticket.places:
            ticket.arrival = self._clock()
        ticket.places.append(self)
        if self.tickets is _NO_LINE:
            self.tickets = deque()
        self.tickets.append(ticket)
        self.limit = 0
        self.grant()

    def leave_line(self, ticket: Ticket) -> bool:
        """Withdraw a ticket from wherever it stands; False if it was granted before. Counts as refused here."""
        if ticket.granted or self not in ticket.places:
            return False
        self._grant_others(ticket.leave_all())
        self.grant()
        self._refuse(ticket.event)
        return True

    def grant(self) -> None:
        """Let those in line enter while there is room."""
        tickets = self.tickets
        while tickets and (self.closed or self._room_for_first()):
            ticket = tickets[0]
            if self.closed:
                self._turn_away(ticket)
                continue
            ticket.granted = True
            places = ticket.leave_all()
            self._accept(ticket.event, ticket.arrival if len(places) == 1 else None)
            ticket.wake()
            self._grant_others(places)
        self._relimit()

    def take(self, now_ms: float) -> Event | None:
        """Hand over the oldest event that is not expired, now in flight; None when there is none."""
        items = self.items
        while items:
            event = items.popleft()
            if not self.simple:
                self._forget(event, 0)
            if event._deadline_ms is not None and self.qos is QoS.REALTIME and now_ms > event._deadline_ms:
                self.expired += 1
                self._lost(event, "expired")
                continue
            self.in_flight += 1
            if self.tickets:
                self.grant()
            return event
        return None

    def take_batch(self, most: int, now_ms: float) -> list[Event]:
        """Hand over up to *most* events at once, oldest first."""
        items = self.items
        if self.simple and not self.tickets and self.qos is not QoS.REALTIME and len(items) <= most:
            batch = list(items)
            items.clear()
            self.in_flight += len(batch)
            return batch
        batch = []
        while len(batch) < most:
            event = self.take(now_ms)
            if event is None:
                break
            batch.append(event)
        return batch

    def settle(self, count: int | None = None) -> None:
        """Count *count* events in flight (all of them if not said) as delivered."""
        count = self.in_flight if count is None else count
        self.in_flight -= count
        self.delivered += count

    def settle_cancelled(self, event: Event) -> None:
        """Count one event in flight as cancelled."""
        self.in_flight -= 1
        self.cancelled += 1
        self._lost(event, "cancelled")

    def put_back(self, event: Event, arrival: int = 0) -> None:
        """Return one event in flight to the head of the queue, as if it had not been taken.

        In a closed queue it ends as cancelled. If others have taken its room meanwhile, a BATCHED or BACKGROUND queue
        holds it beyond its capacity until the next take, since it may lose nothing; a REALTIME queue loses it.
        """
        if self.closed:
            self.settle_cancelled(event)
            return
        self.in_flight -= 1
        if self.qos is QoS.REALTIME and self._outdated(event):
            return
        self.items.appendleft(event)
        if self.arrivals is not None:
            self.arrivals.appendleft(arrival)
        if self._by_topic is not None:
            self._by_topic[event._topic] += 1
        if self.idle:
            self.notify()

    def cancel(self, doomed: Callable[[Event], bool]) -> int:
        """Take out every queued event, and end every waiting one, for which *doomed* is true; returns how many."""
        gone = [i for i, event in enumerate(self.items) if doomed(event)]
        left = [ticket for ticket in self.tickets if doomed(ticket.event)]
        events = self._pull_all(gone)
        self.cancelled += len(gone) + len(left)
        self.accepted += len(left)
        for ticket in left:
            ticket.granted = True
            events.append(ticket.event)
            self._grant_others(ticket.leave_all())
            ticket.wake()
        if events:
            self.grant()
        for event in events:
            self._lost(event, "cancelled")
        return len(events)

    def close(self) -> None:
        """End the queue: what is queued ends as cancelled, who waits is turned away, what is in flight may settle."""
        self.closed = True
        self.limit = 0
        events = self._pull_all(range(len(self.items)))
        self.cancelled += len(events)
        self.grant()
        for event in events:
            self._lost(event, "cancelled")

    def __len__(self) -> int:
        return len(self.items)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Event]:
        return iter(self.items)

    @property
    def waiting(self) -> int:
        """Publishers standing in line."""
        return len(self.tickets)

    def statistics(self) -> QueueStatistics:
        """A snapshot of the counts."""
        return QueueStatistics(
            self.name, self.qos, self.capacity, self.accepted + self.refused, self.accepted, self.refused,
            len(self.items), self.in_flight, self.delivered, self.merged, self.dropped.total(), self.expired,
            self.cancelled, len(self.tickets), dict(self.dropped), self.errors,
        )  # fmt: skip

    def failed(self, what: str) -> None:
        """Count an exception of the subscriber's own code, and log it; of a flood each doubling only."""
        self.errors += 1
        if not self.errors & (self.errors - 1):
            log.exception("%s of %r failed (%d so far)", what, self.name, self.errors)

    def _accept(self, event: Event, arrival: int | None = None) -> None:
        self.accepted += 1
        older = self._pull_same_key(event) if self.overflow == "latest" else None
        if self._by_topic is not None and self._by_topic[event._topic] >= (self.shed_at or 0):
            self._shed(event, [i for i, e in enumerate(self.items) if e._topic == event._topic], "shed")
        elif len(self.items) >= self.capacity:
            self._overflow(event)
        else:
            self._append(event, arrival)
        if older is not None:
            self._superseded(older)
        if self.on_accept is not None:
            self.on_accept(self, event)

    def _overflow(self, event: Event) -> None:
        if self.overflow == "drop_newest":
            self._drop(event, "drop_newest")
        elif self.overflow == "aggregate":
            self._merge(event)
        elif self.overflow == "sample" and self._skip_sample():
            self._drop(event, "sample")
        else:
            self._shed(event, range(len(self.items)), "drop_oldest")

    def _shed(self, event: Event, candidates: Iterable[int], reason: str) -> None:
        """Make room by dropping the oldest of the least priority among the candidates, or *event* if it is least."""
        items = self.items
        victim = min(candidates, key=[e._priority for e in items].__getitem__)
        if items[victim]._priority > event._priority:
            self._drop(event, reason)
            return
        gone = self._pull(victim)
        self._append(event)
        self._drop(gone, reason)

    def _merge(self, event: Event) -> None:
        last = self.items[-1]
        try:
            merged = self._aggregate(last, event)._stamp(last._topic)  # type: ignore[misc]  # checked by Policy
        except Exception:  # noqa: BLE001 - a stranger's function: counted and logged, the newcomer is lost
            self.failed("aggregate")
            self._drop(event, "aggregate_failed")
            return
        if not self.items or self.items[-1] is not last:  # the function itself used the queue
            self._drop(event, "aggregate_failed")
            return
        self.items[-1] = merged
        self._superseded(event)

    def _skip_sample(self) -> bool:
        self._sampled += 1
        return self._sampled % self._every != 0

    def _outdated(self, event: Event) -> bool:
        """Whether *event*, older than all that is queued, has to give way to them; counts the loss."""
        if self.overflow == "latest" and self._place_of_key(event) is not None:
            self._superseded(event)
        elif self._by_topic is not None and self._by_topic[event._topic] >= (self.shed_at or 0):
            self._drop(event, "shed")
        elif len(self.items) >= self.capacity:
            self._drop(event, "drop_oldest")
        else:
            return False
        return True

    def _place_of_key(self, event: Event) -> int | None:
        key = event._key or event._topic
        return next((i for i, e in enumerate(self.items) if (e._key or e._topic) == key), None)

    def _pull_same_key(self, event: Event) -> Event | None:
        place = self._place_of_key(event)
        return None if place is None else self._pull(place)

    def _superseded(self, event: Event) -> None:
        self.merged += 1
        self._lost(event, "merged")

    def _append(self, event: Event, arrival: int | None = None) -> None:
        self.items.append(event)
        if not self.simple:
            if self.arrivals is not None and self._clock is not None:
                self.arrivals.append(self._clock() if arrival is None else arrival)
            if self._by_topic is not None:
                self._by_topic[event._topic] += 1
        if self.idle:
            self.notify()

    def _pull(self, index: int) -> Event:
        event = self.items[index]
        del self.items[index]
        self._forget(event, index)
        return event

    def _pull_all(self, indices: Iterable[int]) -> list[Event]:
        gone = set(indices)
        if not gone:
            return []
        events = [e for i, e in enumerate(self.items) if i in gone]
        kept = [e for i, e in enumerate(self.items) if i not in gone]
        self.items.clear()
        self.items.extend(kept)
        if self.arrivals is not None:
            arrivals = [a for i, a in enumerate(self.arrivals) if i not in gone]
            self.arrivals.clear()
            self.arrivals.extend(arrivals)
        if self._by_topic is not None:
            self._by_topic = Counter(e._topic for e in kept)
        return events

    def _forget(self, event: Event, index: int) -> None:
        if self.arrivals is not None:
            del self.arrivals[index]
        if self._by_topic is not None:
            self._by_topic[event._topic] -= 1
            if not self._by_topic[event._topic]:
                del self._by_topic[event._topic]

    def _refuse(self, event: Event) -> None:
        self.refused += 1
        self._lost(event, "closed" if self.closed else "refused")

    def _drop(self, event: Event, reason: str) -> None:
        self.dropped[reason] += 1
        self._lost(event, reason)

    def _grant_others(self, places: Iterable[Queue]) -> None:
        for queue in places:
            if queue is not self:
                queue.grant()

    def _turn_away(self, ticket: Ticket) -> None:
        """Send *ticket* off from this closed queue; another member of its group may still serve it."""
        ticket.leave(self)
        if not ticket.places:
            self._refuse(ticket.event)
            ticket.wake()

    def _room_for_first(self) -> bool:
        if len(self.items) >= self.capacity:
            return False
        return self._by_topic is None or self._by_topic[self.tickets[0].event._topic] < (self.shed_at or 0)

    def _relimit(self) -> None:
        self.limit = self.capacity if self.simple and not self.tickets and not self.closed else 0

    def _lost(self, event: Event, reason: str) -> None:
        if self.on_loss is not None:
            self.on_loss(self, event, reason)


def _nobody() -> None:
    """The notify of a queue nobody waits at."""
