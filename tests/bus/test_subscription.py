"""The reading end: one at a time, in batches, by many, until it is closed."""

import asyncio

import pytest

from loom.bus import Bus
from loom.errors import Closed, ConfigError, WouldBlock
from loom.event import Event, QoS


def event(payload: object) -> Event:
    return Event("t", payload, topic="a")


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def bus() -> Bus:
    return Bus()


async def test_an_event_is_in_flight_until_the_next_is_asked_for(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    await bus.publish_many([event(n) for n in range(4)])
    seen = []
    for most in (1, 2, 1):
        assert len(await subscription.take_batch(most)) == most
        statistics = subscription.statistics()
        seen.append((statistics.queued, statistics.in_flight, statistics.delivered))
    assert seen == [(3, 1, 0), (1, 2, 1), (0, 1, 3)]
    bus.publish_nowait(event(4))
    await subscription.take()
    assert subscription.statistics().delivered == 4
    subscription.close()
    assert subscription.statistics().delivered == 5


async def test_several_takers_share_and_everything_they_took_is_delivered_in_the_end(bus: Bus) -> None:
    subscription = bus.subscribe("a", capacity=4)
    got: list[object] = []

    async def taker() -> None:
        async for e in subscription:
            got.append(e.payload)
            await asyncio.sleep(0)

    takers = [asyncio.create_task(taker()) for _ in range(3)]
    for n in range(50):
        await bus.publish(event(n))
        assert subscription.statistics().in_flight <= 3
    await turns(60)
    statistics = subscription.statistics()
    assert sorted(got, key=str) == sorted(range(50), key=str)
    assert statistics.in_flight <= 1
    assert statistics.balanced()
    subscription.close()
    await asyncio.gather(*takers)


async def test_a_taker_that_was_woken_and_cancelled_wakes_the_next(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    first, second = (asyncio.create_task(subscription.take()) for _ in range(2))
    await turns()
    bus.publish_nowait(event(1))
    first.cancel()
    await turns()
    assert second.done()
    assert (await second).payload == 1
    assert first.cancelled()


async def test_one_burst_wakes_every_taker(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    takers = [asyncio.create_task(subscription.take()) for _ in range(3)]
    await turns()
    await bus.publish_many([event(n) for n in range(3)])
    assert [e.payload for e in await asyncio.gather(*takers)] == [0, 1, 2]


async def test_a_batch_comes_with_what_is_there_and_is_empty_at_its_timeout(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    assert await subscription.take_batch(timeout=0) == []
    await bus.publish_many([event(n) for n in range(5)])
    assert [e.payload for e in await subscription.take_batch(3, timeout=0)] == [0, 1, 2]
    assert [e.payload for e in await subscription.take_batch(3)] == [3, 4]
    assert not subscription.queue.idle, "nobody waits any more"


async def test_what_comes_in_the_moment_of_the_timeout_is_taken(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    waiting = asyncio.create_task(subscription.take_batch(timeout=0))
    asyncio.get_running_loop().call_soon(bus.publish_nowait, event(1))
    assert [e.payload for e in await waiting] == [1]


@pytest.mark.parametrize("most", [0, -1])
async def test_a_batch_of_nothing_is_an_error_not_a_wait_without_end(bus: Bus, most: int) -> None:
    subscription = bus.subscribe("a")
    bus.publish_nowait(event(1))
    with pytest.raises(ConfigError, match=f"at least 1 event, not {most}"):
        await subscription.take_batch(most)
    assert len(subscription.queue) == 1


async def test_take_nowait_takes_or_says_why_not(bus: Bus) -> None:
    subscription = bus.subscribe("a")
    with pytest.raises(WouldBlock, match="is empty"):
        subscription.take_nowait()
    bus.publish_nowait(event(1))
    assert subscription.take_nowait().payload == 1
    subscription.close()
    with pytest.raises(Closed):
        subscription.take_nowait()


async def test_iteration_ends_for_every_taker_when_it_is_closed(bus: Bus) -> None:
    subscription = bus.subscribe("a")

    async def iterate() -> list[object]:
        return [e.payload async for e in subscription]

    takers = [asyncio.create_task(iterate()) for _ in range(3)]
    await turns()
    subscription.close()
    subscription.close()
    await turns()
    assert all(taker.done() for taker in takers)
    assert await asyncio.gather(*takers) == [[], [], []]
    with pytest.raises(Closed):
        await subscription.take()
    with pytest.raises(Closed):
        await subscription.take_batch(timeout=0)


async def test_closing_ends_what_is_queued_and_tells_waiting_publishers_in_order(bus: Bus) -> None:
    told: list[int] = []
    with bus.subscribe("a", capacity=1) as subscription:
        bus.publish_nowait(event(0))

        async def publish(n: int) -> None:
            try:
                await bus.publish(event(n))
            except Closed:
                told.append(n)

        publishers = [asyncio.create_task(publish(n)) for n in (1, 2, 3)]
        await turns()
    await asyncio.gather(*publishers)
    assert told == [1, 2, 3]
    statistics = subscription.statistics()
    assert (statistics.cancelled, statistics.refused, statistics.waiting) == (1, 3, 0)
    assert statistics.balanced()
    assert bus.queues() == []


async def test_a_publisher_is_told_and_the_other_subscribers_keep_the_event(bus: Bus) -> None:
    full, roomy = bus.subscribe("a", capacity=1), bus.subscribe("a", qos=QoS.BACKGROUND)
    bus.publish_nowait(event(0))
    waiting = asyncio.create_task(bus.publish(event(1)))
    await turns()
    full.close()
    with pytest.raises(Closed, match="'a#1' was closed while a publisher waited"):
        await waiting
    assert [e.payload for e in await roomy.take_batch()] == [0, 1]


@pytest.mark.parametrize("batches", [False, True])
async def test_a_taker_that_always_finds_something_does_not_starve_the_others(batches: bool) -> None:
    class Slow:
        """Each look at it takes a slice."""

        now = 0.0

        def now_ms(self) -> int:
            return 0

        def monotonic(self) -> float:
            self.now += 0.002
            return self.now

    bus = Bus(Slow())
    subscription = bus.subscribe("a", capacity=1000)
    await bus.publish_many([event(n) for n in range(1000)])
    rounds = 0

    async def other() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    got: list[Event] = []
    while len(got) < 1000:
        got += await subscription.take_batch(1) if batches else [await subscription.take()]
    task.cancel()
    assert [e.payload for e in got] == list(range(1000))
    assert rounds >= 900
