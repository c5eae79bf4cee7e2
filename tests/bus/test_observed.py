"""Observers see what happens on the bus, cannot hurt it, and cost nothing where nobody looks."""

import asyncio

import pytest

from loom.bus import Bus
from loom.event import Event, QoS
from loom.telemetry import Observer


class Diary(Observer):
    """Writes down what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def routed(self, event: Event, queues: int) -> None:
        self.seen.append(("routed", event.payload, queues))

    def accepted(self, queue: str, event: Event) -> None:
        self.seen.append(("accepted", queue, event.payload))

    def dropped(self, queue: str, event: Event, reason: str) -> None:
        self.seen.append(("dropped", queue, event.payload, reason))


def event(payload: object, **fields: object) -> Event:
    return Event("t", payload, topic="a", **fields)  # type: ignore[arg-type]


async def test_every_way_of_publishing_is_seen() -> None:
    bus, diary = Bus(), Diary()
    bus.observers.attach(diary)
    bus.subscribe("a", name="q", capacity=9)
    await bus.publish(event(0))
    bus.publish_nowait(event(1))
    bus.offer(event(2))
    await bus.publish_many([event(3)])
    bus.publish_threadsafe(event(4))
    await asyncio.sleep(0)
    assert bus.deliver(event(5)) == []
    assert diary.seen == [row for n in range(6) for row in (("routed", n, 1), ("accepted", "q", n))]


async def test_an_event_that_had_to_wait_is_accepted_when_it_enters() -> None:
    bus, diary = Bus(), Diary()
    subscription = bus.subscribe("a", name="q", capacity=1)
    bus.publish_nowait(event(0))
    bus.observers.attach(diary)
    waiting = asyncio.create_task(bus.publish(event(1)))
    await asyncio.sleep(0)
    assert diary.seen == [("routed", 1, 1)]
    await subscription.take()
    await waiting
    assert diary.seen == [("routed", 1, 1), ("accepted", "q", 1)]


async def test_every_loss_is_seen_with_its_reason() -> None:
    bus, diary = Bus(), Diary()
    bus.observers.attach(diary)
    fast = bus.subscribe("a", name="fast", qos=QoS.REALTIME, capacity=1)
    bus.subscribe("a", name="full", capacity=1)
    for n in range(2):
        bus.offer(event(n, deadline_ms=0))
    assert await fast.take_batch(timeout=0) == []
    bus.close()
    losses = [row[1:] for row in diary.seen if row[0] == "dropped"]
    assert losses == [
        ("fast", 0, "drop_oldest"),
        ("full", 1, "refused"),
        ("fast", 1, "expired"),
        ("full", 0, "cancelled"),
    ]


async def test_an_observer_that_raises_is_counted_and_logged_and_disturbs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Observer):
        def accepted(self, queue: str, event: Event) -> None:
            raise ZeroDivisionError

    bus, diary = Bus(), Diary()
    bus.observers.attach(Broken())
    bus.observers.attach(diary)
    subscription = bus.subscribe("a", name="q")
    for n in range(3):
        await bus.publish(event(n))
    assert bus.observers.errors == 3
    assert len([r for r in caplog.records if "failed in accepted" in r.getMessage()]) == 2, "1 and 2, not 3"
    assert len(diary.seen) == 6
    assert subscription.statistics().balanced()


async def test_an_observer_may_publish() -> None:
    bus = Bus()

    class Echo(Observer):
        def dropped(self, queue: str, event: Event, reason: str) -> None:
            if event.topic == "a":
                bus.offer("lost", event)

    bus.observers.attach(Echo())
    bus.subscribe("a", qos=QoS.REALTIME, capacity=2)
    losses = bus.subscribe("lost")
    for n in range(5):
        await bus.publish(event(n))
    assert [e.payload for e in await losses.take_batch()] == [0, 1, 2]
    assert all(s.balanced() for s in bus.statistics())


async def test_a_route_that_nobody_watches_is_direct_and_becomes_so_again() -> None:
    bus, diary = Bus(), Diary()
    subscription = bus.subscribe("a")

    async def direct() -> bool:
        await bus.publish(event(0))
        return bus._routes["a"].only is not None and subscription.queue.on_accept is None

    assert await direct()
    bus.observers.attach(diary)
    assert not await direct()
    bus.observers.detach(diary)
    assert await direct()
    bus.observers.attach(Observer())
    assert await direct(), "an observer that overrides nothing costs nothing"
    assert len(diary.seen) == 2
