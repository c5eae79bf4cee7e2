"""Promise 1, held against a model that is written down naively: every policy, every ending, after every step."""

from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from loom.bus import OVERFLOWS, Queue, Ticket
from loom.event import Event, QoS

SETTINGS = settings(max_examples=80, stateful_step_count=30, deadline=None)
DICE = st.integers(0, 2 * 3 * 3 * 5 * 4 - 1)


def combine(old: Event, new: Event) -> Event:
    """An aggregate that keeps everything, changes the topic, and at times fails or returns nonsense."""
    if new.source == "raise":
        raise ZeroDivisionError
    if new.source == "nonsense":
        return None  # type: ignore[return-value]
    return Event("sum", old.payload + new.payload, topic="elsewhere", priority=new.priority)


class Model:
    """What a queue should hold, as plain lists; each event in it is the tuple of the numbers that went into it."""

    def __init__(self, qos: QoS, capacity: int, overflow: str, sample: int, shed_at: int | None) -> None:
        self.qos, self.capacity, self.overflow = qos, capacity, overflow
        self.sample, self.shed_at = sample, shed_at
        self.items: list[Event] = []
        self.line: list[Event] = []
        self.flight: list[Event] = []
        self.offered = 0
        self.full_puts = 0
        self.excess = self.put_backs = 0
        self.closed = False
        self.ends: dict[str, int] = dict.fromkeys(
            ("refused", "delivered", "merged", "dropped", "expired", "cancelled"), 0
        )
        self.accepted = 0

    def room(self, event: Event) -> bool:
        same = sum(e.topic == event.topic for e in self.items)
        return len(self.items) < self.capacity and (self.shed_at is None or same < self.shed_at)

    def offer(self, event: Event, waits: bool) -> None:
        """An event comes: it enters, waits or is refused."""
        self.offered += 1
        if self.closed:
            self.ends["refused"] += 1
        elif self.qos is QoS.REALTIME:
            self.accept(event)
        elif waits:
            self.line.append(event)
            self.admit()
        elif self.line or not self.room(event):
            self.ends["refused"] += 1
        else:
            self.accept(event)

    def admit(self) -> None:
        while self.line and self.room(self.line[0]):
            self.accept(self.line.pop(0))

    def accept(self, event: Event) -> None:
        self.accepted += 1
        if self.overflow == "latest":
            same = [e for e in self.items if (e.key or e.topic) == (event.key or event.topic)]
            if same:
                self.items.remove(same[0])
                self.ends["merged"] += 1
        near = [e for e in self.items if e.topic == event.topic]
        if self.shed_at is not None and len(near) >= self.shed_at:
            self.shed(near, event)
        elif len(self.items) < self.capacity:
            self.items.append(event)
        elif self.overflow == "drop_newest":
            self.ends["dropped"] += 1
        elif self.overflow == "aggregate":
            self.merge(event)
        elif self.overflow == "sample":
            self.full_puts += 1
            if self.full_puts % self.sample:
                self.ends["dropped"] += 1
            else:
                self.shed(self.items, event)
        else:
            self.shed(self.items, event)

    def merge(self, event: Event) -> None:
        if event.source:
            self.ends["dropped"] += 1
            return
        last = self.items[-1]
        total = Event("sum", last.payload + event.payload, topic=last.topic, priority=event.priority)
        self.items[-1] = total
        self.ends["merged"] += 1

    def shed(self, among: list[Event], event: Event) -> None:
        self.ends["dropped"] += 1
        least = min(e.priority for e in among)
        if least <= event.priority:
            self.items.remove(next(e for e in among if e.priority == least))
            self.items.append(event)

    def take(self, now: int) -> Event | None:
        while self.items:
            event = self.items.pop(0)
            self.excess = max(0, self.excess - 1)
            if self.qos is QoS.REALTIME and event.deadline_ms is not None and event.deadline_ms < now:
                self.ends["expired"] += 1
                continue
            self.flight.append(event)
            self.admit()
            return event
        return None


class QueueLaw(RuleBasedStateMachine):
    """One queue and its model do the same things and are compared after each."""

    qos: QoS
    overflow: Any = None

    @initialize(
        capacity=st.integers(1, 4),
        sample=st.integers(1, 3),
        shed_at=st.none() | st.integers(1, 3),
        arrivals=st.booleans(),
    )
    def make(self, capacity: int, sample: int, shed_at: int | None, arrivals: bool) -> None:
        overflow = self.overflow
        self.queue = Queue(
            "q", self.qos, capacity, overflow, sample=sample, aggregate=combine, shed_at=shed_at,
            arrivals=count(1).__next__ if arrivals else None,
        )  # fmt: skip
        self.model = Model(self.qos, capacity, overflow or self.queue.overflow, sample, shed_at)
        self.numbers = count()
        self.now = 0
        self.tickets: dict[tuple[int, ...], Ticket] = {}
        self.woken: list[tuple[int, ...]] = []
        self.losses: list[tuple[Event, str]] = []
        self.queue.on_loss = lambda queue, event, reason: self.losses.append((event, reason))

    def event(self, dice: int) -> Event:
        def roll(*sides: Any) -> Any:
            nonlocal dice
            dice, side = divmod(dice, len(sides))
            return sides[side]

        return Event(
            "t",
            (next(self.numbers),),
            topic=roll("a", "b"),
            priority=roll(50, 10, 90),
            key=roll(None, "a", "k"),
            source=roll("", "", "", "raise", "nonsense"),
            deadline_ms=roll(None, 1, 3, 5),
        )

    @rule(dice=DICE)
    def put(self, dice: int) -> None:
        event = self.event(dice)
        could = self.queue.has_room(event) and not self.queue.closed
        self.model.offer(event, waits=False)
        assert self.queue.put(event) == could

    @rule(dice=DICE)
    def append_as_the_fast_path_does(self, dice: int) -> None:
        if len(self.queue.items) < self.queue.limit:
            event = self.event(dice)
            self.queue.items.append(event)
            self.queue.accepted += 1
            self.model.offer(event, waits=False)

    @precondition(lambda self: self.qos is not QoS.REALTIME)
    @rule(dice=DICE)
    def wait_in_line(self, dice: int) -> None:
        event = self.event(dice)
        ticket = Ticket(event, lambda: self.woken.append(event.payload))
        self.tickets[event.payload] = ticket
        self.model.offer(event, waits=True)
        self.queue.stand_in_line(ticket)

    @precondition(lambda self: self.model.line)
    @rule(dice=DICE)
    def leave_the_line(self, dice: int) -> None:
        event = self.model.line[dice % len(self.model.line)]
        self.model.line.remove(event)
        self.model.ends["refused"] += 1
        self.model.admit()
        assert self.queue.leave_line(self.tickets[event.payload])
        assert not self.queue.leave_line(self.tickets[event.payload])

    @rule()
    def take(self) -> None:
        expected = self.model.take(self.now)
        got = self.queue.take(self.now)
        assert (got and got.payload) == (expected and expected.payload)

    @rule(most=st.integers(0, 5))
    def take_batch(self, most: int) -> None:
        expected = []
        while len(expected) < most and (event := self.model.take(self.now)) is not None:
            expected.append(event.payload)
        assert [e.payload for e in self.queue.take_batch(most, self.now)] == expected

    @rule(dice=DICE)
    def settle(self, dice: int) -> None:
        everything = len(self.model.flight)
        count = None if dice % 2 else dice // 2 % (everything + 1)
        n = everything if count is None else count
        del self.model.flight[:n]
        self.model.ends["delivered"] += n
        self.queue.settle(count)

    @precondition(lambda self: self.model.flight)
    @rule()
    def settle_cancelled(self) -> None:
        self.model.ends["cancelled"] += 1
        self.queue.settle_cancelled(self.model.flight.pop())

    @precondition(lambda self: self.model.flight)
    @rule()
    def put_back(self) -> None:
        model, event = self.model, self.model.flight.pop()
        if model.closed:
            model.ends["cancelled"] += 1
        elif model.overflow == "latest" and any(
            (e.key or e.topic) == (event.key or event.topic) for e in model.items
        ):
            model.ends["merged"] += 1
        elif self.qos is QoS.REALTIME and not model.room(event):
            model.ends["dropped"] += 1
        else:
            model.put_backs += 1
            model.excess += len(model.items) >= model.capacity
            model.items.insert(0, event)
        self.queue.put_back(event)

    @rule(topic=st.sampled_from(["a", "b", "elsewhere"]))
    def cancel(self, topic: str) -> None:
        model = self.model
        doomed = [e for e in (*model.items, *model.line) if e.topic == topic]
        waiting = [e for e in model.line if e.topic == topic]
        model.accepted += len(waiting)
        model.ends["cancelled"] += len(doomed)
        model.items = [e for e in model.items if e.topic != topic]
        model.line = [e for e in model.line if e.topic != topic]
        if doomed:
            model.excess = max(0, len(model.items) - model.capacity)
            model.admit()
        assert self.queue.cancel(lambda e: e.topic == topic) == len(doomed)

    @rule(ms=st.integers(1, 3))
    def time_passes(self, ms: int) -> None:
        self.now += ms

    @precondition(lambda self: len(self.losses) > 3)
    @rule()
    def the_subscriber_dies(self) -> None:
        model, waiting = self.model, [e.payload for e in self.model.line]
        model.closed = True
        model.ends["cancelled"] += len(model.items)
        model.ends["refused"] += len(model.line)
        model.items, model.line = [], []
        before = len(self.woken)
        self.queue.close()
        assert self.woken[before:] == waiting, "who waits is told, in order"
        assert not any(self.tickets[payload].granted for payload in waiting)

    @invariant()
    def after_every_step(self) -> None:
        if hasattr(self, "queue"):
            self.the_law_holds()
            self.it_holds_what_the_model_holds_in_order()
            self.it_is_bounded()
            self.what_must_wait_loses_nothing()
            self.nobody_waits_while_there_is_room()
            self.publishers_are_served_in_the_order_they_came()

    def the_law_holds(self) -> None:
        s, model = self.queue.statistics(), self.model
        assert s.balanced()
        assert model.offered == s.accepted + s.refused + s.waiting
        assert s.accepted == model.accepted
        ends = (s.refused, s.delivered, s.merged, s.dropped, s.expired, s.cancelled)
        assert dict(zip(model.ends, ends, strict=True)) == model.ends
        assert s.in_flight == len(model.flight)
        assert sum(s.dropped_by.values()) == s.dropped
        assert len(self.losses) == s.refused + s.merged + s.dropped + s.expired + s.cancelled

    def it_holds_what_the_model_holds_in_order(self) -> None:
        queued = [e.payload for e in self.queue]
        assert queued == [e.payload for e in self.model.items]
        assert queued == sorted(queued), "first in, first out among the survivors"
        assert [t.event.payload for t in self.queue.tickets] == [e.payload for e in self.model.line]
        if self.queue.arrivals is not None:
            assert len(self.queue.arrivals) == len(queued)
            assert list(self.queue.arrivals) == sorted(self.queue.arrivals)

    def it_is_bounded(self) -> None:
        assert len(self.queue) <= self.queue.capacity + self.model.excess
        if self.qos is QoS.REALTIME:
            assert len(self.queue) <= self.queue.capacity
            assert not self.queue.tickets
        if self.queue.shed_at and (self.qos is QoS.REALTIME or not self.model.put_backs):
            topics = [e.topic for e in self.queue]
            assert max(map(topics.count, topics), default=0) <= self.queue.shed_at

    def what_must_wait_loses_nothing(self) -> None:
        if self.qos is not QoS.REALTIME:
            s = self.queue.statistics()
            assert s.dropped == s.merged == s.expired == 0

    def nobody_waits_while_there_is_room(self) -> None:
        if self.queue.tickets:
            assert not self.model.room(self.queue.tickets[0].event)
            assert self.queue.limit == 0, "the fast path must not overtake those who wait"

    def publishers_are_served_in_the_order_they_came(self) -> None:
        cancelled = {e.payload for e, reason in self.losses if reason == "cancelled"}
        served = [p for p in self.woken if self.tickets[p].granted and p not in cancelled]
        assert served == sorted(served)


@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_the_law_of_a_realtime_queue_holds_after_every_step(overflow: str) -> None:
    machine = type("Machine", (QueueLaw,), {"qos": QoS.REALTIME, "overflow": overflow})
    run(machine)


@pytest.mark.parametrize("qos", [QoS.BATCHED, QoS.BACKGROUND])
def test_the_law_of_a_queue_that_makes_publishers_wait_holds_after_every_step(qos: QoS) -> None:
    machine = type("Machine", (QueueLaw,), {"qos": qos})
    run(machine)


def run(machine: type[RuleBasedStateMachine]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(machine, settings=SETTINGS)
