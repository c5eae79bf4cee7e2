"""The bounded queue behind every subscription: a pure data structure whose counts always add up.

The law, true after every call: ``offered = accepted + refused`` and
``accepted = queued + in_flight + delivered + merged + dropped + expired + cancelled``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from loom.errors import ConfigError
from loom.event import Event, QoS

Overflow = Literal["drop_oldest", "drop_newest", "latest", "sample", "aggregate", "wait"]
OVERFLOWS = ("drop_oldest", "drop_newest", "latest", "sample", "aggregate")
Aggregate = Callable[[Event, Event], Event]


class QueueStatistics(NamedTuple):
    """A snapshot of one queue. Counts are events since it was made; ``dropped_by`` says why."""

    name: str
    qos: QoS
    capacity: int
    offered: int
    accepted: int
    refused: int
    queued: int
    in_flight: int
    delivered: int
    merged: int
    dropped: int
    expired: int
    cancelled: int
    waiting: int
    dropped_by: dict[str, int]

    def balanced(self) -> bool:
        """Whether the law of the queue holds."""
        ends = self.delivered + self.merged + self.dropped + self.expired + self.cancelled
        return self.offered == self.accepted + self.refused and self.accepted == self.queued + self.in_flight + ends


class Ticket:
    """A publisher's place in the line before a full queue; its event enters the queue when its turn comes."""

    __slots__ = ("event", "granted", "wake")

    def __init__(self, event: Event, wake: Callable[[], None]) -> None:
        self.event = event
        self.wake = wake
        self.granted = False


class Queue:
    """A bounded queue with a QoS, an overflow policy and exact accounting.

    REALTIME never makes a publisher wait: when full, its overflow policy decides who is lost. BATCHED and BACKGROUND
    refuse when full; publishers that can wait stand in line with a Ticket, and nobody overtakes them.
    ``limit`` is what the fast path compares with: the capacity while a bare append is the whole truth, else 0.
    """

    __slots__ = (
        "_aggregate", "_by_topic", "_clock", "_every", "_sampled", "_tickets", "accepted", "arrivals", "cancelled",
        "capacity", "closed", "delivered", "dropped", "expired", "idle", "in_flight", "items", "limit", "merged", "name",
        "notify", "on_loss", "overflow", "owner", "qos", "refused", "shed_at", "simple",
    )  # fmt: skip

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
        self.qos = QoS(qos)
        self.capacity = self.qos.default_capacity if capacity is None else capacity
        self.overflow = _check(self, overflow, sample, aggregate, shed_at)
        self.items: deque[Event] = deque()
        self.shed_at = shed_at
        self.accepted = self.refused = self.delivered = self.in_flight = 0
        self.merged = self.expired = self.cancelled = 0
        self.dropped: Counter[str] = Counter()
        self.closed = False
        self.idle = True
        self.notify: Callable[[], None] = _nobody
        self.on_loss: Callable[[Queue, Event, str], None] | None = None
        self.owner: object = None
        self.arrivals: deque[int] | None = None if arrivals is None else deque()
        self._clock = arrivals
        self._every = sample
        self._sampled = 0
        self._aggregate = aggregate
        self._by_topic: Counter[str] | None = None if shed_at is None else Counter()
        self._tickets: deque[Ticket] = deque()
        self.simple = arrivals is None and shed_at is None and self.overflow != "latest"
        self.limit = 0
        self._relimit()

    # --- entering -------------------------------------------------------------------------------------------------

    def put(self, event: Event) -> bool:
        """Take *event* in if that needs no waiting; False, and counted as refused, if it does or the queue is closed.

        For REALTIME the answer is True: overflow is decided here, and a loss is counted with its reason.
        """
        if self.closed or not self.has_room(event):
            self.refused += 1
            self._lost(event, "closed" if self.closed else "refused")
            return False
        self._accept(event)
        return True

    def has_room(self, event: Event) -> bool:
        """Whether *event* would be accepted now without waiting and without overtaking anybody."""
        if self.qos is QoS.REALTIME:
            return True
        if self._tickets or len(self.items) >= self.capacity:
            return False
        return self._by_topic is None or self._by_topic[event._topic] < (self.shed_at or 0)

    def stand_in_line(self, ticket: Ticket) -> None:
        """Let *ticket* wait behind those already waiting; its event enters, and it is woken, when there is room."""
        self._tickets.append(ticket)
        self.limit = 0
        self.grant()

    def leave_line(self, ticket: Ticket) -> bool:
        """Withdraw a ticket; False if it was granted before. The event counts as refused."""
        if ticket.granted:
            return False
        self._tickets.remove(ticket)
        self.refused += 1
        self._lost(ticket.event, "refused")
        self.grant()
        return True

    def grant(self) -> None:
        """Let those in line enter while there is room."""
        tickets = self._tickets
        while tickets and (self.closed or self._room_for_first()):
            ticket = tickets.popleft()
            if self.closed:
                self.refused += 1
                self._lost(ticket.event, "closed")
            else:
                self._accept(ticket.event)
                ticket.granted = True
            ticket.wake()
        self._relimit()

    # --- leaving --------------------------------------------------------------------------------------------------

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
            if self._tickets:
                self.grant()
            return event
        return None

    def take_batch(self, most: int, now_ms: float) -> list[Event]:
        """Hand over up to *most* events at once, oldest first."""
        items = self.items
        if self.simple and not self._tickets and self.qos is not QoS.REALTIME and len(items) <= most:
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
        """Return one event in flight to the head of the queue, as if it had not been taken."""
        self.in_flight -= 1
        self.items.appendleft(event)
        if self.arrivals is not None:
            self.arrivals.appendleft(arrival)
        if self._by_topic is not None:
            self._by_topic[event._topic] += 1

    def cancel(self, doomed: Callable[[Event], bool]) -> int:
        """Take out every queued event, and turn away every waiting one, for which *doomed* is true; returns how many."""
        gone = [i for i, event in enumerate(self.items) if doomed(event)]
        for index in reversed(gone):
            event = self._pull(index)
            self.cancelled += 1
            self._lost(event, "cancelled")
        left = [t for t in self._tickets if doomed(t.event)]
        for ticket in left:
            self._tickets.remove(ticket)
            self._enter_cancelled(ticket)
        if gone or left:
            self.grant()
        return len(gone) + len(left)

    def close(self) -> None:
        """End the queue: what is queued is cancelled, who waits is turned away, what is in flight counts as delivered."""
        self.closed = True
        self.limit = 0
        self.cancel(lambda event: True)
        self.settle()
        self.grant()

    # --- looking --------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.items)

    @property
    def waiting(self) -> int:
        """Publishers standing in line."""
        return len(self._tickets)

    def line(self) -> Iterator[Ticket]:
        """The tickets standing in line, first come first."""
        return iter(self._tickets)

    def statistics(self) -> QueueStatistics:
        """A snapshot of the counts."""
        return QueueStatistics(
            self.name, self.qos, self.capacity, self.accepted + self.refused, self.accepted, self.refused, len(self.items),
            self.in_flight, self.delivered, self.merged, self.dropped.total(), self.expired, self.cancelled,
            len(self._tickets), dict(self.dropped),
        )  # fmt: skip

    # --- decisions ------------------------------------------------------------------------------------------------

    def _accept(self, event: Event) -> None:
        self.accepted += 1
        if self.overflow == "latest" and self._replace_same_key(event):
            return
        if self._by_topic is not None and self._by_topic[event._topic] >= (self.shed_at or 0):
            self._shed(event, [i for i, e in enumerate(self.items) if e._topic == event._topic], "shed")
        elif len(self.items) >= self.capacity:
            self._overflow(event)
        else:
            self._append(event)

    def _overflow(self, event: Event) -> None:
        if self.overflow == "drop_newest":
            self._drop(event, "drop_newest")
        elif self.overflow == "aggregate" and self._aggregate is not None:
            last = self.items[-1]
            self.items[-1] = self._aggregate(last, event)._stamp(last._topic)
            self.merged += 1
            self._lost(event, "merged")
        elif self.overflow == "sample" and self._skip_sample():
            self._drop(event, "sample")
        else:
            self._shed(event, range(len(self.items)), "drop_oldest")

    def _shed(self, event: Event, candidates: range | list[int], reason: str) -> None:
        """Make room by dropping the oldest of the least priority among the candidates, or *event* itself if it is least."""
        items = self.items
        victim = min(candidates, key=lambda i: items[i]._priority)
        if items[victim]._priority > event._priority:
            self._drop(event, reason)
            return
        self._drop(self._pull(victim), reason)
        self._append(event)

    def _skip_sample(self) -> bool:
        self._sampled += 1
        return self._sampled % self._every != 0

    def _replace_same_key(self, event: Event) -> bool:
        key = event._key or event._topic
        for index, queued in enumerate(self.items):
            if (queued._key or queued._topic) == key:
                self._pull(index)
                self.merged += 1
                self._lost(queued, "merged")
                self._append(event)
                return True
        return False

    # --- bookkeeping ----------------------------------------------------------------------------------------------

    def _append(self, event: Event) -> None:
        self.items.append(event)
        if not self.simple:
            if self.arrivals is not None and self._clock is not None:
                self.arrivals.append(self._clock())
            if self._by_topic is not None:
                self._by_topic[event._topic] += 1
        if self.idle:
            self.notify()

    def _pull(self, index: int) -> Event:
        event = self.items[index]
        del self.items[index]
        self._forget(event, index)
        return event

    def _forget(self, event: Event, index: int) -> None:
        if self.arrivals is not None:
            del self.arrivals[index]
        if self._by_topic is not None:
            self._by_topic[event._topic] -= 1
            if not self._by_topic[event._topic]:
                del self._by_topic[event._topic]

    def _drop(self, event: Event, reason: str) -> None:
        self.dropped[reason] += 1
        self._lost(event, reason)

    def _enter_cancelled(self, ticket: Ticket) -> None:
        ticket.granted = True
        self.accepted += 1
        self.cancelled += 1
        self._lost(ticket.event, "cancelled")
        ticket.wake()

    def _room_for_first(self) -> bool:
        if len(self.items) >= self.capacity:
            return False
        return self._by_topic is None or self._by_topic[self._tickets[0].event._topic] < (self.shed_at or 0)

    def _relimit(self) -> None:
        self.limit = self.capacity if self.simple and not self._tickets and not self.closed else 0

    def _lost(self, event: Event, reason: str) -> None:
        if self.on_loss is not None:
            self.on_loss(self, event, reason)


def _nobody() -> None:
    """The notify of a queue nobody waits at."""


def _check(
    queue: Queue, overflow: Overflow | None, sample: int, aggregate: Aggregate | None, shed_at: int | None
) -> Overflow:
    if not isinstance(queue.capacity, int) or queue.capacity < 1:
        raise ConfigError(f"capacity of {queue.name!r} must be a whole number of at least 1, not {queue.capacity!r}")
    if shed_at is not None and shed_at < 1:
        raise ConfigError(f"shed_at of {queue.name!r} must be at least 1, not {shed_at!r}")
    if queue.qos is not QoS.REALTIME:
        if overflow not in (None, "wait"):
            raise ConfigError(
                f"{queue.name!r} is {queue.qos}: its publishers wait and nothing is lost, so overflow={overflow!r} "
                "has no meaning; use qos=QoS.REALTIME for it"
            )
        return "wait"
    policy = overflow or "drop_oldest"
    if policy not in OVERFLOWS:
        raise ConfigError(f"no overflow policy {policy!r}; use one of {', '.join(OVERFLOWS)}")
    if policy == "sample" and sample < 1:
        raise ConfigError(f"sample of {queue.name!r} must be at least 1, not {sample!r}")
    if policy == "aggregate" and aggregate is None:
        raise ConfigError(f"{queue.name!r} uses overflow='aggregate' and needs aggregate=function(old, new)")
    return policy
