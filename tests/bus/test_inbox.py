"""From other threads to the loop: in order, bounded, never waiting, and every refusal counted."""

import asyncio
import threading

from loom.bus import Bus
from loom.event import Event


def from_thread(work: object) -> None:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    thread.join()


async def test_real_threads_publish_in_order_and_every_event_is_accounted_for() -> None:
    bus = Bus(inbox=64)
    subscription = bus.subscribe("cam.*", capacity=10_000)
    took: dict[str, int] = {}

    def shoot(name: str) -> None:
        took[name] = sum(bus.publish_threadsafe(f"cam.{name}", Event("frame", n)) for n in range(500))

    threads = [threading.Thread(target=shoot, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or bus.inbox_length:
        await asyncio.sleep(0)
    got = subscription.queue.take_batch(10_000, 0)
    assert len(got) == sum(took.values())
    assert bus.refused_threadsafe == 4 * 500 - len(got)
    for name in "abcd":
        numbers = [e.payload for e in got if e.topic == f"cam.{name}"]
        assert len(numbers) == took[name]
        assert numbers == sorted(numbers)


async def test_the_way_in_is_bounded() -> None:
    bus = Bus(inbox=3)
    subscription = bus.subscribe("a")
    took: list[bool] = []
    from_thread(lambda: took.extend(bus.publish_threadsafe("a", Event("t", n)) for n in range(5)))
    assert took == [True, True, True, False, False]
    assert (bus.inbox_length, bus.refused_threadsafe, len(subscription.queue)) == (3, 2, 0)
    await asyncio.sleep(0)
    assert (bus.inbox_length, len(subscription.queue)) == (0, 3)
    from_thread(lambda: took.append(bus.publish_threadsafe("a", Event("t", 5))))
    await asyncio.sleep(0)
    assert len(subscription.queue) == 4


async def test_a_full_queue_refuses_what_comes_from_a_thread() -> None:
    bus = Bus()
    subscription = bus.subscribe("a", capacity=1)
    from_thread(lambda: [bus.publish_threadsafe("a", Event("t", n)) for n in range(3)])
    await asyncio.sleep(0)
    assert (subscription.statistics().accepted, subscription.statistics().refused) == (1, 2)
    assert bus.refused_threadsafe == 0, "they reached the queue, and are counted there"


async def test_a_fast_thread_does_not_keep_the_loop() -> None:
    bus = Bus()
    drained: list[int] = []

    def again(event: Event) -> bool:
        drained.append(event.payload)
        return bus.publish_threadsafe(
            "a", Event("t", event.payload + 1)
        )  # as if it came from outside meanwhile

    bus.subscribe("a", where=again)
    bus.publish_threadsafe("a", Event("t", 0))
    for turn in range(5):
        await asyncio.sleep(0)
        assert len(drained) == turn + 1
    bus.close()


async def test_a_closed_bus_turns_away_what_is_on_its_way() -> None:
    bus = Bus()
    bus.subscribe("a")
    assert bus.publish_threadsafe("a", Event("t"))
    bus.close()
    await asyncio.sleep(0)
    assert not bus.publish_threadsafe("a", Event("t"))
    assert (bus.refused_threadsafe, bus.inbox_length) == (2, 0)


def test_a_bus_without_a_loop_or_with_a_closed_one_refuses_and_serves_the_next_loop() -> None:
    bus = Bus()
    assert not bus.publish_threadsafe("a", Event("t"))

    async def serve() -> int:
        subscription = bus.subscribe("a")
        assert bus.publish_threadsafe("a", Event("t"))
        await asyncio.sleep(0)
        return len(subscription.queue)

    assert asyncio.run(serve()) == 1
    assert not bus.publish_threadsafe("a", Event("t"))
    assert asyncio.run(serve()) == 1
    assert bus.refused_threadsafe == 2
