"""Promise 1 on a running loop: publishers and takers that come, go and are cancelled in any order, in virtual time."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loom.bus import Bus, Subscription
from loom.errors import Closed, Overloaded, WouldBlock
from loom.event import Event, QoS

PATTERNS = ("a", "b", "*", ">")
TOPICS = ("a", "b")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time moves when the test says so."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def spin(self, turns: int = 1) -> None:
        """Run what is ready now, *turns* times."""
        for _ in range(turns):
            self.call_soon(self.stop)
            self.run_forever()

    def settle(self) -> None:
        """Run until nothing is ready."""
        for _ in range(10_000):
            if not self._ready:  # type: ignore[attr-defined]
                return
            self.spin()
        raise AssertionError("the loop does not come to rest")


class Reader:
    """A subscription, the tasks that take from it and what they got."""

    def __init__(self, subscription: Subscription, topics: set[str], group: str | None) -> None:
        self.subscription = subscription
        self.topics = topics
        self.group = group
        self.takers: list[asyncio.Task[None]] = []
        self.got: list[Event] = []

    async def take(self, how: int) -> None:
        """Take for ever: singly, in batches, or in batches with a timeout."""
        with suppress(Closed):
            while True:
                if how == 0:
                    self.got.append(await self.subscription.take())
                else:
                    self.got += await self.subscription.take_batch(how, None if how % 2 else 1.0)


class BusLaw(RuleBasedStateMachine):
    """Everything that may be done to a bus, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(None)
        self.bus = Bus()
        self.readers: list[Reader] = []
        self.closed: list[Reader] = []
        self.publishers: list[asyncio.Task[None]] = []
        self.names = 0
        self.withdrawn: set[Event] = set()
        self.published: list[tuple[Event, frozenset[Reader]]] = []

    def teardown(self) -> None:
        self.bus.close()
        self.loop.settle()
        assert all(task.done() for task in self.publishers), "nobody waits before a closed bus"
        readers = self.readers + self.closed
        takers = [t for r in readers for t in r.takers]
        assert all(task.done() for task in takers), "nobody takes from a closed bus"
        assert not [t for t in takers + self.publishers if not t.cancelled() and t.exception()]
        self.loop.close()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.loop.create_task(work)

    def inside(self, action: Any) -> None:
        """Do something on the loop's thread while the loop runs."""
        self.loop.call_soon(action)
        self.loop.spin()

    @rule(
        pattern=st.sampled_from(PATTERNS),
        qos=st.sampled_from(list(QoS)),
        capacity=st.integers(1, 3),
        group=st.sampled_from([None, None, "g"]),
        shed_at=st.sampled_from([None, None, 1, 2]),
        takers=st.lists(st.integers(0, 3), max_size=3),
    )
    def subscribe(self, pattern: str, takers: list[int], **options: Any) -> None:
        subscription = self.bus.subscribe(pattern, **options)
        topics = {pattern} if pattern in TOPICS else set(TOPICS)
        reader = Reader(subscription, topics, options["group"])
        reader.takers += [self.start(reader.take(how)) for how in takers]
        self.readers.append(reader)

    @rule(count=st.integers(1, 4), how=st.integers(0, 4), topic=st.sampled_from(TOPICS))
    def publisher(self, count: int, how: int, topic: str) -> None:
        self.names += 1
        name = self.names
        events = [Event(f"p{name}", n, topic=topic) for n in range(count)]

        async def publish() -> None:
            if how == 3:
                with suppress(Overloaded, Closed):
                    await self.bus.publish_many(events, timeout=2.0)
                return
            for event in events:
                with suppress(Overloaded, WouldBlock, Closed):
                    await self.one(event, how)

        self.publishers.append(self.start(publish()))
        self.publishers[-1].set_name(f"p{name}")

    async def one(self, event: Event, how: int) -> None:
        before = self.plain(event.topic)
        if how == 0:
            await self.bus.publish(event)
        elif how == 1:
            await self.bus.publish(event, timeout=2.0)
        elif how == 2:
            self.bus.publish_nowait(event)
        else:
            self.bus.offer(event)
            return
        self.published.append((event, before))

    def plain(self, topic: str) -> frozenset[Reader]:
        """Those who must get what is published on *topic* now: lossless and not sharing."""
        return frozenset(
            r for r in self.readers
            if topic in r.topics and r.group is None and r.subscription.queue.qos is not QoS.REALTIME
        )  # fmt: skip

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 9), how=st.integers(0, 3))
    def taker(self, which: int, how: int) -> None:
        reader = self.readers[which % len(self.readers)]
        reader.takers.append(self.start(reader.take(how)))

    @precondition(lambda self: any(r.takers for r in self.readers))
    @rule(which=st.integers(0, 9))
    def cancel_a_taker(self, which: int) -> None:
        takers = [task for reader in self.readers for task in reader.takers]
        takers[which % len(takers)].cancel()

    @precondition(lambda self: any(r.takers for r in self.readers))
    @rule(which=st.integers(0, 9), topic=st.sampled_from(TOPICS))
    def cancel_a_taker_as_something_comes(self, which: int, topic: str) -> None:
        takers = [task for reader in self.readers for task in reader.takers]
        self.names += 1

        def both() -> None:
            self.bus.offer(Event(f"p{self.names}", 0, topic=topic))
            takers[which % len(takers)].cancel()

        self.inside(both)

    @precondition(lambda self: self.publishers and self.readers)
    @rule(which=st.integers(0, 9), whom=st.integers(0, 9))
    def cancel_a_publisher_as_room_comes(self, which: int, whom: int) -> None:
        reader = self.readers[whom % len(self.readers)]

        def both() -> None:
            with suppress(WouldBlock):
                reader.got.append(reader.subscription.take_nowait())
            self.publishers[which % len(self.publishers)].cancel()

        self.inside(both)

    @precondition(lambda self: self.publishers)
    @rule(which=st.integers(0, 9))
    def cancel_a_publisher(self, which: int) -> None:
        self.publishers[which % len(self.publishers)].cancel()

    @precondition(lambda self: self.readers)
    @rule(which=st.integers(0, 9))
    def close_a_subscription(self, which: int) -> None:
        reader = self.readers.pop(which % len(self.readers))
        self.closed.append(reader)
        self.inside(reader.subscription.close)

    @rule(number=st.integers(0, 3))
    def cancel_events(self, number: int) -> None:
        """A scope goes down: every event with this number, queued or waiting, is withdrawn."""

        def doomed(event: Event) -> bool:
            found = event.payload == number and event.topic == "b"
            if found:
                self.withdrawn.add(event)
            return found

        self.inside(lambda: self.bus.cancel(doomed))

    @rule(turns=st.integers(1, 3))
    def spin(self, turns: int) -> None:
        self.loop.spin(turns)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.now += seconds

    @rule()
    def come_to_rest(self) -> None:
        self.loop.settle()
        alive = {task.get_name() for task in self.publishers if not task.done()}
        for reader in self.readers:
            queue = reader.subscription.queue
            waiting = [t for t in reader.takers if not t.done()]
            assert not (waiting and queue.items), "somebody waits while an event is queued"
            assert not self.taken(reader), "an event was handed over to nobody"
            assert not (queue.tickets and queue.has_room(queue.tickets[0].event))
            assert {t.event.type for t in queue.tickets} <= alive, "a place in line whose publisher is gone"
            first = queue.tickets[0].event if queue.tickets else None
            if first is not None and queue.shed_at is None:
                assert len(queue) == queue.capacity, "a publisher waits while there is room"

    @invariant()
    def the_law_holds_and_nothing_is_over_its_bound(self) -> None:
        for reader in self.readers + self.closed:
            statistics = reader.subscription.statistics()
            assert statistics.balanced(), statistics
            assert statistics.queued <= statistics.capacity
            assert len(reader.got) <= statistics.in_flight + statistics.delivered
            if statistics.qos is not QoS.REALTIME:
                assert statistics.dropped == statistics.merged == statistics.expired == 0

    @invariant()
    def each_publisher_is_heard_in_order_and_once(self) -> None:
        for reader in self.readers + self.closed:
            if reader.group is None:
                last: dict[str, int] = {}
                for event in reader.got:
                    assert last.get(event.type, -1) < event.payload, "out of order, or twice"
                    last[event.type] = event.payload

    @invariant()
    def what_was_published_is_there(self) -> None:
        for event, readers in self.published:
            for reader in readers & frozenset(() if event in self.withdrawn else self.readers):
                assert event in reader.got or event in reader.subscription.queue.items or self.taken(reader)

    def taken(self, reader: Reader) -> bool:
        """Whether a taker holds events that it has not written down yet."""
        s = reader.subscription.statistics()
        return s.in_flight + s.delivered > len(reader.got)


def test_the_law_holds_for_a_running_bus_after_every_step() -> None:
    run_state_machine_as_test(
        BusLaw, settings=settings(max_examples=200, stateful_step_count=30, deadline=None)
    )
