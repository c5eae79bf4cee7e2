"""Durable subscriptions of one's own: where they begin, what is settled, what comes again, who waits for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom import Loom, QoS
from loom.bus import Bus, Subscription
from loom.errors import Closed, ConfigError, InvalidTopic, Overloaded, WouldBlock
from loom.event import Event
from loom.journal import Journal
from loom.journal.follower import number_at
from loom.store import Family
from loom.testing import new_loom, virtual_time
from tests.journal.disks import Disk, disk, life, turns  # noqa: F401 - a fixture
from tests.store.shelf import Shelf


async def publish(loom: Loom, *payloads: Any, topic: str = "n", **fields: Any) -> None:
    for payload in payloads:
        await loom.publish(topic, payload, **fields)


async def rest(subscription: Subscription) -> list[Any]:
    """What is there to be read, all of it taken in one go."""
    found = []
    while batch := await subscription.take_batch(100, 1):
        found += [event.payload for event in batch]
    return found


def kept(loom: Loom) -> None:
    loom.journal("n.>", keep=True)
    loom.journal("n", keep=True)


@virtual_time
async def test_a_new_one_begins_now_at_the_beginning_or_after_a_number(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        await publish(loom, 1, 2, 3)
        now = loom.subscribe("n", durable="now")
        first = loom.subscribe("n", durable="first", start="beginning")
        later = loom.subscribe("n", durable="later", start=2)
        beyond = loom.subscribe("n", durable="beyond", start=1000)
        await publish(loom, 4)
        assert await rest(now) == [4]
        assert await rest(first) == [1, 2, 3, 4]
        assert await rest(later) == [3, 4]
        assert await rest(beyond) == [4]


@virtual_time
async def test_a_new_one_begins_at_a_moment(disk: Disk) -> None:  # noqa: F811
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    async with life(disk) as loom:
        kept(loom)
        for hour in range(5):
            stamp = int((noon + timedelta(hours=hour)).timestamp() * 1000)
            await publish(loom, hour, timestamp_ms=stamp)
        at = loom.subscribe("n", durable="at", start=noon + timedelta(hours=2))
        between = loom.subscribe("n", durable="between", start=noon + timedelta(minutes=1))
        late = loom.subscribe("n", durable="late", start=noon + timedelta(days=1))
        assert await rest(at) == [2, 3, 4]
        assert await rest(between) == [1, 2, 3, 4]
        assert await rest(late) == []


@settings(max_examples=100, deadline=None)
@given(stamps=st.lists(st.integers(0, 20)), gone=st.sets(st.integers(1, 30)), at=st.integers(-1, 21))
def test_the_number_at_a_moment_is_right_for_events_in_order_whatever_is_missing(
    stamps: list[int], gone: set[int], at: int
) -> None:
    shelf = Shelf()
    journal = Journal(shelf, Bus())
    stamps.sort()
    for stamp in stamps:
        shelf.write(journal.rows(Event("t", topic="n", timestamp_ms=stamp)))
    for seq in gone:
        shelf.kept[Family.JOURNAL].pop(seq.to_bytes(8, "big"), None)
    there = [(seq, stamp) for seq, stamp in enumerate(stamps, 1) if seq not in gone]
    found = number_at(shelf, at, len(stamps))
    assert [pair for pair in there if pair[0] > found] == [pair for pair in there if pair[1] >= at]
    journal.committer.close()


@virtual_time
async def test_what_makes_no_sense_is_refused_and_leaves_nothing_behind(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        for wrong in (-1, True, 2.5, "yesterday", datetime(2026, 1, 1)):  # noqa: DTZ001
            with pytest.raises(ConfigError, match="start="):
                loom.subscribe("n", durable="x", start=wrong)  # type: ignore[arg-type]
        for name in ("", "a\0b", "a\nb"):
            with pytest.raises(ConfigError, match="cannot be called"):
                loom.subscribe("n", durable=name)
        for options in ({"group": "g"}, {"last": True}, {"qos": QoS.REALTIME}, {"capacity": 0}):
            with pytest.raises(ConfigError):
                loom.subscribe("n", durable="x", **options)
        with pytest.raises(InvalidTopic):
            loom.subscribe("n..", durable="x")
        assert loom._durable is not None
        assert not loom._durable.journal.cursors
        loom.subscribe("n", durable="x")
    async with new_loom() as loom:
        with pytest.raises(ConfigError, match="Loom\\(data="):
            loom.subscribe("n", durable="x")


@virtual_time
async def test_an_event_is_settled_when_the_next_is_asked_for(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, 1, 2, 3, 4)
        assert [(await reader.take()).payload for _ in range(3)] == [1, 2, 3]
    async with life(disk) as loom:
        reader = loom.subscribe("n", durable="r")
        assert await rest(reader) == [3, 4]
        reader.close()
    async with life(disk) as loom:
        assert await rest(loom.subscribe("n", durable="r")) == []


@virtual_time
async def test_a_batch_is_settled_as_a_whole(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, *range(10))
        assert [e.payload for e in await reader.take_batch(4)] == [0, 1, 2, 3]
        assert [e.payload for e in await reader.take_batch(4)] == [4, 5, 6, 7]
    async with life(disk) as loom:
        reader = loom.subscribe("n", durable="r")
        assert await rest(reader) == [4, 5, 6, 7, 8, 9]
        with pytest.raises(WouldBlock):
            reader.take_nowait()


@virtual_time
async def test_closed_and_opened_again_it_goes_on_and_misses_nothing(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, 1, 2, 3)
        assert [(await reader.take()).payload for _ in range(2)] == [1, 2]
        reader.close()  # 2 is not settled, and the write that settles 1 has not landed
        with pytest.raises(Closed):
            await reader.take()
        reader = loom.subscribe("n", durable="r")
        assert [(await reader.take()).payload for _ in range(2)] == [2, 3]
        reader.close()
        await publish(loom, *range(4, 2000))  # further than a position may be behind
        loom.add(_agent())
        await loom.idle()
        reader = loom.subscribe("n", durable="r")
        assert await rest(reader) == list(range(3, 2000))
    async with life(disk) as loom:
        assert await rest(loom.subscribe("n", durable="r")) == []


@virtual_time
async def test_what_was_in_the_queue_of_a_closed_reader_comes_again_over_restarts(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, 1, 2)
        reader.close()
        reader = loom.subscribe("n", durable="r")
        assert [(await reader.take()).payload for _ in range(2)] == [1, 2]
    for _ in range(2):
        async with life(disk) as loom:
            reader = loom.subscribe("n", durable="r")
    async with life(disk) as loom:
        assert await rest(loom.subscribe("n", durable="r")) == [2]


def _agent() -> Any:
    from loom import Agent, on

    class Late(Agent):
        @on("n.other")
        async def take(self, event: Any, ctx: Any) -> None:
            pass

    return Late


@settings(max_examples=60, deadline=None)
@given(
    doings=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.integers(1, 5)),
            st.tuples(st.just("take"), st.integers(1, 4)),
            st.tuples(st.just("reopen"), st.just(0)),
            st.tuples(st.just("restart"), st.just(0)),
            st.tuples(st.just("land"), st.just(0)),
        ),
        max_size=14,
    ),
    capacity=st.sampled_from([1, 2, 64]),
)
@virtual_time
async def test_whatever_happens_all_come_in_order_and_only_the_unsettled_again(
    doings: list[tuple[str, int]], capacity: int
) -> None:
    shelf = Disk()
    with pytest.MonkeyPatch.context() as patch:
        from tests.journal.disks import open_on

        patch.setattr("loom.runtime.loom.open_durable", open_on)
        published, settled, taken = 0, 0, 0  # events are numbered from 1
        loom = await life(shelf).start()
        kept(loom)
        reader = loom.subscribe("n", durable="r", capacity=capacity, start="beginning")
        for doing, n in doings:
            if doing == "publish":
                for _ in range(n):
                    published += 1
                    loom._durable.journal.append(Event("t", published, topic="n"))  # type: ignore[union-attr]
                await turns(5)
            elif doing == "take":
                for _ in range(min(n, published - taken)):
                    settled = taken
                    taken = (await reader.take()).payload
                    assert taken == settled + 1
            elif doing == "land":
                await turns(200)
            elif doing == "reopen":
                reader.close()
                reader = loom.subscribe("n", durable="r", capacity=capacity)
                taken = settled
            else:
                await loom.stop()
                loom = await life(shelf).start()
                kept(loom)
                reader = loom.subscribe("n", durable="r", capacity=capacity)
                taken = settled
        await loom.stop()


@virtual_time
async def test_a_second_reader_is_refused_until_the_first_has_closed(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        first = loom.subscribe("n", durable="r")
        with pytest.raises(ConfigError, match="somebody reads the durable subscription 'r' already"):
            loom.subscribe("n", durable="r")
        first.close()
        loom.subscribe("n.>", durable="r")


@virtual_time
async def test_of_several_takers_each_settles_what_it_took_itself(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, *range(6))
        done: list[int] = []

        async def work(seconds: float) -> None:
            async for event in reader:
                await asyncio.sleep(seconds)
                done.append(event.payload)

        workers = [asyncio.ensure_future(work(s)) for s in (1000.0, 1.0)]
        await asyncio.sleep(100)
        assert done == [1, 2, 3, 4, 5]
        reader.close()
        for worker in workers:
            worker.cancel()
    async with life(disk) as loom:
        assert await rest(loom.subscribe("n", durable="r")) == [0]


@virtual_time
async def test_what_a_taker_failed_at_comes_again_and_what_one_has_ended_with_does_not(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, 1, 2, 3)

        async def fail() -> None:
            await reader.take()
            raise ValueError("cannot")

        async def end() -> None:
            await reader.take()

        await asyncio.gather(fail(), return_exceptions=True)
        await asyncio.gather(end())
        assert (await reader.take()).payload == 3
        reader.close()
        assert await rest(loom.subscribe("n", durable="r")) == [1, 3]


@virtual_time
async def test_filters_pass_over_what_is_not_wanted_for_good(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        odd = loom.subscribe("n", durable="odd", where=lambda e: e.payload % 2)
        await publish(loom, 1, 2, 3)
        assert await rest(odd) == [1, 3]
        kinds = loom.subscribe("n", durable="kinds", types=["b"], start="beginning")
        await publish(loom, 4, type="b")
        assert await rest(kinds) == [4]
    async with life(disk) as loom:
        odd = loom.subscribe("n", durable="odd", where=lambda e: e.payload % 2)
        await publish(loom, 5)
        assert await rest(odd) == [5]


@virtual_time
async def test_publishers_wait_for_a_full_reader_that_is_there_and_not_for_a_closed_one(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r", capacity=2)
        await publish(loom, 1, 2)
        with pytest.raises(Overloaded):
            await loom.publish("n", 3, timeout=1)
        waiting = asyncio.ensure_future(loom.publish("n", 4))
        await asyncio.sleep(1)
        assert not waiting.done()
        assert (await reader.take()).payload == 1
        await asyncio.wait_for(waiting, 10)
        reader.close()
        await publish(loom, *range(5, 50))
        background = loom.subscribe("n", durable="b", capacity=2, qos=QoS.BACKGROUND)
        await publish(loom, *range(50, 100))  # it reads on from the journal
        assert await rest(background) == list(range(50, 100))
        reader = loom.subscribe("n", durable="r", capacity=2)
        assert await rest(reader) == [1, 2, *range(4, 100)]


@virtual_time
async def test_a_slow_reader_keeps_little_in_memory_and_keeps_nobody_from_stopping(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="slow", capacity=8, qos=QoS.BACKGROUND)
        await publish(loom, *range(3000))
        await asyncio.wait_for(loom.idle(), 5)
        assert len(reader.queue) <= 8
        cursor = loom._durable.journal.cursors["follower slow"]  # type: ignore[union-attr]
        assert len(cursor.outstanding) <= 9
        assert await loom.stop(5) == 0
    async with life(disk) as loom:
        reader = loom.subscribe("n", durable="slow", capacity=8, qos=QoS.BACKGROUND)
        assert (await reader.take()).payload == 0
        assert await rest(reader) == list(range(1, 3000))


@virtual_time
async def test_what_was_forgotten_begins_like_a_new_one(disk: Disk) -> None:  # noqa: F811
    async with life(disk) as loom:
        kept(loom)
        reader = loom.subscribe("n", durable="r")
        await publish(loom, 1, 2)
        await reader.take()
        await reader.take()
        with pytest.raises(ConfigError, match="somebody reads"):
            await loom.forget("r")
        reader.close()
        await loom.forget("r")
        assert disk.get(Family.POSITIONS, b"follower r") is None
        for name in ("r", "never"):
            with pytest.raises(ConfigError, match="there is no durable subscription"):
                await loom.forget(name)
        assert await rest(loom.subscribe("n", durable="r")) == []
    assert disk.get(Family.POSITIONS, b"follower r") is not None
    async with life(disk) as loom:
        await loom.forget("r")
    assert disk.get(Family.POSITIONS, b"follower r") is None
