"""Durable publishing: nobody sees an event before it is on disk, no place leaks, no line grows without bound."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Loom, QoS, on
from loom.errors import Closed, InvalidEvent, Overloaded, StoreFull, WouldBlock
from loom.event import Event
from loom.store import Family
from loom.testing import Probe, run_until_idle, virtual_time
from tests.journal.disks import Disk, disk, life, turns, until

__all__ = ["disk"]


class Notes(Agent):
    """Writes down what it is told."""

    seen: list[Any] = []

    @on("n")
    async def take(self, event: Any, ctx: Any) -> None:
        self.seen.append(event.payload)


def slow(name: str, seconds: float = 10, capacity: int = 1, qos: QoS = QoS.BATCHED) -> type[Agent]:
    """An agent that takes its time for each event."""

    class Slow(Agent, name=name):
        seen: list[Any] = []

        @on("n", capacity=capacity, qos=qos)
        async def take(self, event: Any, ctx: Any) -> None:
            await asyncio.sleep(seconds)
            self.seen.append(event.payload)

    return Slow


def seen(loom: Loom, name: str = "Notes") -> list[Any]:
    found: list[Any] = loom.agent(name).instance.seen  # type: ignore[attr-defined]
    return found


def admitted(loom: Loom) -> dict[str, int]:
    assert loom._durable is not None
    return {c.name: c.admitted for c in loom._durable.journal.cursors.values()}


@virtual_time
async def test_nobody_sees_an_event_before_it_is_on_disk(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        told: list[Any] = []

        class Urgent(Agent):
            @on("n", qos=QoS.REALTIME)
            async def take(self, event: Any, ctx: Any) -> None:
                told.append(event.payload)

        loom.add(Urgent)
        reader = loom.subscribe("n")
        with Probe(loom.bus, "n") as probe:
            disk.hold()
            publishing = asyncio.ensure_future(loom.publish("n", 1))
            await turns(1)
            loom.publish_nowait("n", 2)
            loom.offer("n", 3)
            await turns()
            assert not publishing.done()
            assert (probe.count, told, seen(loom), reader.statistics().accepted) == (0, [], [], 0)
            disk.release()
            await publishing
            assert disk.count(Family.JOURNAL) == 3
            await loom.idle()
            assert probe.payloads == told == seen(loom) == [1, 2, 3]
        assert [event.payload for event in reader._entry.queue] == [1, 2, 3]
        reader.close()


@virtual_time
async def test_a_write_that_fails_is_told_seen_by_nobody_and_the_same_event_may_come_again(
    disk: Disk,
) -> None:
    async with life(disk, Notes) as loom:
        event = Event("n", "again", topic="n", id="e1")
        with Probe(loom.bus, "n") as probe:
            disk.refuse = lambda n: True
            both = [
                asyncio.ensure_future(loom.publish(event)),
                asyncio.ensure_future(loom.publish("n", "twin", id="e1")),
            ]
            ends = await asyncio.gather(*both, return_exceptions=True)
            assert [type(end) for end in ends] == [StoreFull, StoreFull]
            await loom.idle()
            assert probe.count == 0
            assert event.seq == 0
            disk.refuse = lambda n: False
            await loom.publish(event)
            await loom.publish(event)
            await run_until_idle(loom)
            assert probe.payloads == seen(loom) == ["again"]
        assert disk.count(Family.JOURNAL) == disk.count(Family.IDS) == 1


@virtual_time
async def test_an_id_is_kept_once_pending_landed_and_after_a_restart(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        disk.hold()
        pending = [asyncio.ensure_future(loom.publish("n", 1, id="a")) for _ in range(3)]
        await turns()
        assert not any(p.done() for p in pending)
        disk.release()
        await asyncio.gather(*pending)
        await loom.publish("n", 2, id="a")
        loom.publish_nowait("n", 3, id="a")
        assert loom.offer("n", 4, id="a") == 1
        await loom.bus.publish_many([Event("n", 5, topic="n", id="a"), Event("n", 6, topic="n", id="b")])
        await loom.idle()
        assert seen(loom) == [1, 6]
        assert set(admitted(loom).values()) == {0}
    async with life(disk, Notes) as loom:
        await loom.publish("n", 7, id="b")
        await loom.idle()
        assert seen(loom) == [1, 6]
        assert loom._durable is not None
        assert loom._durable.journal.duplicates == 1


@virtual_time
async def test_a_twin_that_gives_up_leaves_the_first_publisher_waiting_for_room(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        full = loom.subscribe("n", capacity=1)
        await loom.publish("n", 0)
        disk.hold()
        first = asyncio.ensure_future(loom.publish("n", 1, id="x"))
        await turns()
        twins = [asyncio.ensure_future(loom.publish("n", 1, id="x", timeout=t)) for t in (None, 0.5)]
        await turns()
        disk.release()
        await asyncio.sleep(0.2)
        twins[0].cancel()
        await asyncio.sleep(1)
        assert [type(twin.exception()) for twin in twins if not twin.cancelled()] == [
            type(None)
        ] * 2  # on disk: done
        assert not first.done()
        full._entry.queue.take(0)
        await asyncio.sleep(1)
        assert (await first).id == "x"
        full.close()


@virtual_time
async def test_a_publisher_waits_for_room_and_gives_back_what_it_was_promised(disk: Disk) -> None:
    async with life(disk, Notes, slow("Slow"), drain=200) as loom:
        ends = []
        for number in range(12):
            try:
                await loom.publish("n", number, timeout=0.5)
                ends.append(number)
            except Overloaded:
                pass
            stopped = asyncio.ensure_future(loom.publish("n", -1))
            await turns()
            stopped.cancel()
            await turns()
        assert admitted(loom) == {"Notes.take": 0, "Slow.take": 0}
        assert len(ends) < 6
        await loom.idle()
        assert seen(loom) == seen(loom, "Slow")
        assert [n for n in seen(loom) if n >= 0] == ends


@virtual_time
async def test_waiting_publishers_are_served_in_order_and_turned_away_at_the_end(disk: Disk) -> None:
    async with life(disk, slow("Slow"), drain=25) as loom:
        tasks = []
        for number in range(8):
            tasks.append(asyncio.ensure_future(loom.publish("n", number)))
            await turns()
    await asyncio.sleep(1)
    ends = [task.exception() for task in tasks]
    turned_away = [end is not None for end in ends]
    assert turned_away == sorted(turned_away)
    assert all(isinstance(end, Closed) for end in ends if end is not None)
    assert 1 < sum(turned_away) < 7
    async with life(disk, slow("Slow", 0), drain=500) as loom:
        await loom.idle()
        assert seen(loom, "Slow") == list(range(8 - sum(turned_away)))


@virtual_time
async def test_who_does_not_wait_is_refused_before_a_full_line_grows(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        full = loom.subscribe("n", capacity=2, name="full")
        sent = 0
        for number in range(40):
            try:
                loom.publish_nowait("n", number)
                sent += 1
            except WouldBlock:
                pass
            loom.offer("n", -number)
            await asyncio.sleep(0.1)
        now = full.statistics()
        assert now.waiting <= 2
        assert now.balanced()
        assert now.refused > 30
        assert sent <= 4
        full.close()


@virtual_time
async def test_nowait_says_who_has_no_room(disk: Disk) -> None:
    async with life(disk, slow("Slow"), drain=100) as loom:
        for number in range(2):
            loom.publish_nowait("n", number)
            await asyncio.sleep(1)
        with pytest.raises(WouldBlock, match=r"'Slow\.take' has no room"):
            loom.publish_nowait("n", 3)
        with pytest.raises(Overloaded, match=r"Slow\.take"):
            await loom.publish("n", 3, timeout=0.1)
        assert loom.offer("n", 9) == 0
        assert admitted(loom) == {"Slow.take": 0}


@virtual_time
async def test_an_offer_with_one_full_subscription_reaches_the_others(disk: Disk) -> None:
    async with life(disk, Notes, slow("Slow"), drain=100) as loom:
        for number in range(6):
            assert loom.offer("n", number) > 0
            await asyncio.sleep(0.5)
        assert seen(loom) == list(range(6))
        await loom.idle()
        assert seen(loom, "Slow") == list(range(6))


@virtual_time
async def test_publish_many_keeps_order_and_lets_the_loop_run(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.ensure_future(tick())
        await loom.bus.publish_many([Event("n", i, topic="n" if i % 7 else "free") for i in range(700)])
        assert ticks > 10
        ticking.cancel()
        await loom.idle()
        assert seen(loom) == [i for i in range(700) if i % 7]


@virtual_time
async def test_an_event_that_cannot_be_kept_is_an_error_and_holds_no_place(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        with pytest.raises(InvalidEvent):
            await loom.publish("n", object())
        with pytest.raises(InvalidEvent):
            loom.publish_nowait("n", object())
        good, bad = Event("n", 1, topic="n"), Event("n", object(), topic="n")
        with pytest.raises(InvalidEvent):
            await loom.bus.publish_many([good, bad, Event("n", 3, topic="n")])
        await loom.idle()
        assert admitted(loom) == {"Notes.take": 0}
        assert seen(loom) == [1]


@virtual_time
async def test_threads_publish_on_kept_topics_and_one_bad_event_takes_no_other_along(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        for payload in (1, object(), 2):
            loom.publish_threadsafe("n", payload)
        await until(lambda: not loom.bus.inbox_length)
        await loom.idle()
        assert seen(loom) == [1, 2]
        assert loom.bus.refused_threadsafe == 1


@virtual_time
async def test_mixed_subscribers_the_publisher_waits_for_the_full_one_in_memory(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        full = loom.subscribe("n", capacity=1)
        background = loom.subscribe("n", qos=QoS.REALTIME, capacity=1)
        await loom.publish("n", 1)
        with pytest.raises(Overloaded):
            await loom.publish("n", 2, timeout=1)
        assert seen(loom) == [1, 2]
        waiting = asyncio.ensure_future(loom.publish("n", 3))
        await asyncio.sleep(1)
        assert not waiting.done()
        assert seen(loom) == [1, 2, 3]
        full._entry.queue.take(0)
        await waiting
        assert [event.payload for event in background._entry.queue] == [3]
        full.close()
        background.close()


@virtual_time
async def test_filters_and_types_decide_what_a_subscription_gets_also_after_a_restart(disk: Disk) -> None:
    class Odd(Agent):
        seen: list[Any] = []

        @on("n", where=lambda event: event.payload % 2 == 1, types=["n", "m"])
        async def take(self, event: Any, ctx: Any) -> None:
            self.seen.append(event.payload)

    async with life(disk, Odd) as loom:
        for number in range(5):
            await loom.publish("n", number)
        await loom.publish("n", 7, type="other")
        await loom.idle()
    later = disk.image()
    async with life(later, Odd, slow("Slow", 0)) as loom:
        await loom.publish("n", 9)
        await loom.idle()
        assert seen(loom, "Odd") == [1, 3, 9]
        assert seen(loom, "Slow") == [9]


@virtual_time
async def test_the_last_value_of_a_kept_topic_is_one_that_is_on_disk(disk: Disk) -> None:
    async with life(disk, Notes) as loom:
        loom.bus.retain("n")
        await loom.publish("n", 1)
        disk.hold()
        publishing = asyncio.ensure_future(loom.publish("n", 2))
        await turns()
        last = loom.bus.last("n")
        assert last is not None
        assert last.payload == 1
        disk.release()
        await publishing
        last = loom.bus.last("n")
        assert last is not None
        assert last.payload == 2
        with loom.subscribe("n", last=True) as late:
            assert [event.payload for event in late._entry.queue] == [2]


@virtual_time
async def test_scope_cancel_of_queued_events_lets_waiting_publishers_in(disk: Disk) -> None:
    async with life(disk, slow("Slow", 50, capacity=2), drain=300) as loom:
        await loom.publish("n", 0)
        await asyncio.sleep(1)
        for number in (1, 2):
            await loom.publish("n", number, scope="doomed")
        waiting = asyncio.ensure_future(loom.publish("n", 3))
        await asyncio.sleep(1)
        assert not waiting.done()
        assert loom.cancel("doomed") == 2
        await asyncio.sleep(1)
        assert waiting.done()
        await loom.idle()
        assert seen(loom, "Slow") == [0, 3]
    async with life(disk, slow("Slow", 0)) as loom:
        await loom.idle()
        assert seen(loom, "Slow") == [0, 3]


@virtual_time
async def test_a_long_run_of_events_does_not_stay_in_memory(disk: Disk) -> None:
    class Later(Agent):
        count: int = 0

        @on("n", qos=QoS.BACKGROUND, capacity=64)
        async def take(self, event: Any, ctx: Any) -> None:
            if not self.count:
                await asyncio.sleep(3600)
            self.count += 1
            assert event.payload == self.count - 1

    async with life(disk, Later) as loom:
        queue = next(q for q in loom.bus.queues() if q.name == "Later.take")
        for start in range(0, 5000, 500):
            await loom.bus.publish_many([Event("n", i, topic="n") for i in range(start, start + 500)])
            assert len(queue.items) <= 64
        assert loom._durable is not None
        cursor = loom._durable.journal.cursors["Later.take"]
        assert len(cursor.outstanding) <= 65
        await run_until_idle(loom, 3601)
        assert loom.agent("Later").instance.count == 5000  # type: ignore[attr-defined]
