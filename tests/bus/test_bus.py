"""The five ways to publish, who is served when not everybody can be, and the end."""

import asyncio

import pytest

from loom.bus import Bus, Queue
from loom.errors import Closed, InvalidEvent, InvalidTopic, Overloaded, WouldBlock
from loom.event import Event, QoS


def event(payload: object = None, topic: str = "", **fields: object) -> Event:
    return Event("t", payload, topic=topic, **fields)  # type: ignore[arg-type]


def drain(queue: Queue) -> list[object]:
    return [e.payload for e in queue.take_batch(99, 0)]


async def turns(count: int = 10) -> None:
    """Let everybody else run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def call(bus: Bus, method: str, *arguments: object) -> object:
    result = getattr(bus, method)(*arguments)
    return await result if method == "publish" else result


@pytest.fixture
def bus() -> Bus:
    return Bus()


async def test_a_hundred_megabytes_pass_by_reference(bus: Bus) -> None:
    subscription = bus.subscribe("big")
    payload = bytearray(100_000_000)
    sent = await bus.publish("big", event(payload))
    got = await subscription.take()
    assert got is sent
    assert got.payload is payload


async def test_an_event_is_published_on_its_own_topic_or_on_a_given_one(bus: Bus) -> None:
    subscription = bus.subscribe(">")
    first = await bus.publish(event(1, "a.b"))
    second = await bus.publish("c.d", event(2))
    again = await bus.publish("e.f", second)
    assert [e.topic for e in await subscription.take_batch()] == ["a.b", "c.d", "e.f"]
    assert again is not second
    assert again.id == second.id
    assert (first.topic, second.topic) == ("a.b", "c.d")


@pytest.mark.parametrize("method", ["publish", "publish_nowait", "offer", "publish_threadsafe"])
async def test_what_is_no_event_is_named(bus: Bus, method: str) -> None:
    bus.subscribe("a")
    for arguments in (("a", {"x": 1}), (7,), ({"x": 1},)):
        with pytest.raises(InvalidEvent, match=r"takes an Event, not (dict|int)"):
            await call(bus, method, *arguments)
    with pytest.raises(InvalidEvent, match="not str"):
        await bus.publish_many(["a"])  # type: ignore[list-item]


@pytest.mark.parametrize("method", ["publish", "publish_nowait", "offer", "publish_threadsafe"])
@pytest.mark.parametrize("topic", ["a..b", "a.*", "", 7, {}])
async def test_an_invalid_topic_is_refused_and_leaves_the_event_as_it_was(
    bus: Bus, method: str, topic: str
) -> None:
    unsent = event()
    with pytest.raises(InvalidTopic):
        await call(bus, method, topic, unsent)
    assert unsent.topic == ""


async def test_nowait_delivers_to_all_or_to_none(bus: Bus) -> None:
    bus.retain("a")
    urgent = bus.subscribe("a", qos=QoS.REALTIME)
    roomy, small = bus.subscribe("a"), bus.subscribe("a", capacity=1)
    bus.publish_nowait("a", event(1))
    with pytest.raises(WouldBlock, match=r"batched queue of 'a#3' is full \(1 events\)"):
        bus.publish_nowait("a", event(2))
    assert [drain(s.queue) for s in (urgent, roomy, small)] == [[1], [1], [1]]
    assert small.statistics().refused == 1
    last = bus.last("a")
    assert last is not None
    assert last.payload == 1, "what was not delivered is nobody's last value"


async def test_offer_never_waits_and_says_how_many_took_it(bus: Bus) -> None:
    small, roomy = bus.subscribe("a", capacity=1), bus.subscribe("a")
    assert [bus.offer("a", event(n)) for n in range(3)] == [2, 1, 1]
    assert (small.statistics().refused, roomy.statistics().refused) == (2, 0)


async def test_many_events_arrive_in_order_whatever_their_topics(bus: Bus) -> None:
    everything, odd = bus.subscribe("*", capacity=7), bus.subscribe("odd")
    events = [event(n, "odd" if n % 3 else "even") for n in range(100)]
    got: list[object] = []

    async def consume() -> None:
        while len(got) < 100:
            got.extend(e.payload for e in await everything.take_batch())

    await asyncio.gather(bus.publish_many(events), consume())
    assert got == list(range(100))
    assert drain(odd.queue) == [n for n in range(100) if n % 3]


async def test_many_at_once_do_not_overtake_those_who_wait(bus: Bus) -> None:
    subscription = bus.subscribe("a", capacity=2)
    await bus.publish_many([event(n, "a") for n in range(2)])
    waiting = asyncio.create_task(bus.publish("a", event(2)))
    await turns()
    more = asyncio.create_task(bus.publish_many([event(n, "a") for n in range(3, 9)]))
    await turns()
    assert len(subscription.queue) == 2
    got = [(await subscription.take()).payload for _ in range(9)]
    await asyncio.gather(waiting, more)
    assert got == list(range(9))


async def test_waiting_publishers_are_served_first_come_first(bus: Bus) -> None:
    subscription = bus.subscribe("a", capacity=1)
    await bus.publish("a", event(0))
    tasks = [asyncio.create_task(bus.publish("a", event(n))) for n in range(1, 5)]
    await turns()
    assert subscription.statistics().waiting == 4
    tasks.pop(1).cancel()
    await turns()
    with pytest.raises(WouldBlock):
        bus.publish_nowait("a", event(9))
    assert bus.offer("a", event(9)) == 0
    assert [(await subscription.take()).payload for _ in range(4)] == [0, 1, 3, 4]
    await asyncio.gather(*tasks)


async def test_who_waited_too_long_learns_for_whom_and_how_deep(bus: Bus) -> None:
    roomy = bus.subscribe("a")
    bus.subscribe("a", capacity=2, name="slow one")
    await bus.publish_many([event(n, "a") for n in range(2)])
    with pytest.raises(Overloaded, match=r"'slow one' stayed full for 0 s \(2 events\)") as told:
        await bus.publish("a", event(2), timeout=0)
    assert (told.value.subscriber, told.value.queue, told.value.depth) == ("slow one", "batched", 2)
    assert drain(roomy.queue) == [0, 1, 2], "who had room keeps the event"
    slow = bus.statistics()[1]
    assert (slow.refused, slow.waiting) == (1, 0)
    assert slow.balanced()


async def test_realtime_is_served_while_a_batched_subscriber_is_full(bus: Bus) -> None:
    slow, urgent = bus.subscribe("a", capacity=1), bus.subscribe("a", qos=QoS.REALTIME)
    await bus.publish("a", event(0))
    waiting = asyncio.create_task(bus.publish("a", event(1)))
    await turns(1)
    assert drain(urgent.queue) == [0, 1]
    assert not waiting.done()
    await slow.take()
    await waiting


@pytest.mark.parametrize("qos", [QoS.BATCHED, QoS.BACKGROUND])
async def test_what_makes_publishers_wait_loses_nothing(bus: Bus, qos: QoS) -> None:
    subscription = bus.subscribe("a", qos=qos, capacity=3)
    got: list[object] = []

    async def consume() -> None:
        async for e in subscription:
            got.append(e.payload)
            await asyncio.sleep(0)
            if len(got) == 200:
                return

    async def produce(start: int) -> None:
        for n in range(start, start + 50):
            await bus.publish("a", event(n))

    await asyncio.gather(consume(), *(produce(n) for n in (0, 100, 200, 300)))
    for start in (0, 100, 200, 300):
        assert [n for n in got if start <= n < start + 50] == list(range(start, start + 50))  # type: ignore[operator]


async def test_a_flood_on_one_topic_sheds_on_that_topic_alone(bus: Bus) -> None:
    subscription = bus.subscribe("*", qos=QoS.REALTIME, capacity=10, shed_at=2)
    patient = bus.subscribe("*", shed_at=2)
    for n in range(5):
        bus.offer("flood", event(n))
    bus.offer("calm", event("calm"))
    assert drain(subscription.queue) == [3, 4, "calm"]
    assert subscription.statistics().dropped_by == {"shed": 3}
    assert drain(patient.queue) == [0, 1, "calm"]
    assert (patient.statistics().refused, patient.statistics().dropped) == (3, 0)


async def test_an_expired_event_is_not_handed_to_a_realtime_subscriber() -> None:
    class Stopped:
        def now_ms(self) -> int:
            return 1000

        def monotonic(self) -> float:
            return 0.0

    bus = Bus(Stopped())
    urgent, patient = bus.subscribe("a", qos=QoS.REALTIME), bus.subscribe("a")
    for deadline in (999, 1000, None):
        await bus.publish("a", event(deadline, deadline_ms=deadline))
    assert [e.payload for e in await urgent.take_batch()] == [1000, None]
    assert [e.payload for e in await patient.take_batch()] == [999, 1000, None]
    assert urgent.statistics().expired == 1


async def test_nothing_is_published_on_a_closed_bus_not_even_on_a_warm_route(bus: Bus) -> None:
    bus.subscribe("a")
    await bus.publish("a", event())
    bus.close()
    for call in (bus.publish_nowait, bus.offer):
        with pytest.raises(Closed):
            call("a", event())
    with pytest.raises(Closed):
        await bus.publish("a", event())
    with pytest.raises(Closed):
        await bus.publish_many([event(1, "a")])
    with pytest.raises(Closed):
        bus.subscribe("a")
    assert bus.publish_threadsafe("a", event()) is False


async def test_a_closing_bus_turns_everybody_away(bus: Bus) -> None:
    subscription = bus.subscribe("a", capacity=1)
    empty = bus.subscribe("b")
    await bus.publish("a", event(0))
    publishers = [asyncio.create_task(bus.publish("a", event(n))) for n in (1, 2)]
    takers = [asyncio.create_task(empty.take()) for _ in range(3)]
    await turns()
    bus.close()
    await turns()
    assert all(task.done() for task in publishers + takers)
    ended = await asyncio.gather(*publishers, *takers, return_exceptions=True)
    assert [type(e) for e in ended] == [Closed] * 5
    statistics = subscription.statistics()
    assert (statistics.refused, statistics.cancelled, statistics.queued) == (2, 1, 0)


async def test_a_scope_is_taken_out_of_every_queue_and_line(bus: Bus) -> None:
    one, two = bus.subscribe("a", capacity=1), bus.subscribe("*")
    await bus.publish("a", event(0, scope="turn-1"))
    waiting = asyncio.create_task(bus.publish("a", event(1, scope="turn-1")))
    behind = asyncio.create_task(bus.publish("a", event(2, scope="turn-2")))
    await turns()
    assert bus.cancel(lambda e: e.scope == "turn-1") == 4
    await asyncio.gather(waiting, behind)
    assert [drain(s.queue) for s in (one, two)] == [[2], [2]]
    assert [s.cancelled for s in bus.statistics()] == [2, 2]


async def test_events_nobody_listens_to_are_counted(bus: Bus) -> None:
    closing = bus.subscribe("a")
    bus.subscribe("b", where=lambda e: False)
    await bus.publish("a", event())
    closing.close()
    await bus.publish("a", event())
    await bus.publish("b", event())
    assert bus.unrouted == 2
