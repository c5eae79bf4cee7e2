"""Durable agents at the edges: groups, where subscriptions begin, what cannot be kept, texts that are kept once."""

import asyncio
from collections import deque
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, on
from loom.agent._supervision import Retry
from loom.errors import StoreError
from loom.store import Family
from loom.testing import Probe, run_until_idle, virtual_time
from tests.agent.diaries import Diary, held, publish, seen
from tests.journal.disks import Disk, disk, life, turns, until

__all__ = ["disk"]


@virtual_time
async def test_a_handler_may_hear_itself_and_cascades_end_at_the_hop_limit(disk: Disk) -> None:
    class Echo(Agent, name="Diary"):
        seen: list[int] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            if event.payload < 3 or event.payload >= 100:
                ctx.publish("n", event.payload + 1)

    async with life(disk, Echo) as loom:
        await loom.publish("n", 0)
        await loom.idle()
        assert seen(loom) == [0, 1, 2, 3]
        await loom.publish("n", 100)
        await loom.idle()
        last = seen(loom)[-1]
        assert loom.dead_letters[-1].reason == "hop_limit"
    async with life(disk, Echo) as loom:
        await loom.idle()
        assert seen(loom)[-1] == last


@virtual_time
async def test_a_state_that_cannot_be_kept_fails_its_step_and_no_other(disk: Disk) -> None:
    class Odd(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload or object())
            ctx.publish("said", event.payload)

    async with life(disk, Odd) as loom:
        with Probe(loom.bus, "said") as probe:
            for number in (1, 0, 2):
                await loom.publish("n", number)
            await loom.idle()
            assert probe.payloads == [1, 2]
        assert seen(loom) == [1, 2]
        assert [letter.event.payload for letter in loom.dead_letters] == [0]


@virtual_time
async def test_output_that_cannot_be_kept_fails_its_step_and_leaves_no_holes(disk: Disk) -> None:
    text = "long " * 400

    class Odd(Agent, name="Diary", retry=Retry(attempts=2, base=0.01)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(text)
            ctx.publish("heard", {"text": text})
            if not self.tried:
                Odd.tried = True
                ctx.publish("heard", lambda: None)

        tried = False

    class Hears(Agent):
        seen: list[Any] = []

        @on("heard")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload["text"])

    async with life(disk, Odd, Hears) as loom:
        await loom.publish("n", 1)
        await loom.idle()
        image = disk.image()
        assert seen(loom) == seen(loom, "Hears") == [text]
        assert loom._durable is not None
        events = [loom._durable.journal.event(seq) for seq in range(1, loom._durable.journal.seq + 1)]
        assert [e.payload["text"] for e in events if e is not None and e.topic == "heard"] == [text]
    async with life(image, Odd, Hears) as loom:
        assert seen(loom) == [text]


@virtual_time
async def test_equal_texts_of_two_publishers_are_whole_though_the_first_could_not_be_kept(disk: Disk) -> None:
    text = "the same text " * 100
    async with life(disk, Diary) as loom:
        await loom.idle()
        failing = disk.writes + 1
        disk.refuse = lambda n: n == failing
        disk.hold()
        first = publish(loom, text, id="a")
        await turns()
        second = publish(loom, text, id="b")
        await turns()
        image = disk.release()
        ends = await asyncio.gather(*first, *second, return_exceptions=True)
        assert isinstance(ends[0], StoreError)
        assert isinstance(ends[1], Event)
        image = disk.image()
    async with life(image, Diary) as loom:
        await loom.idle()
        assert seen(loom) == [text]


@virtual_time
async def test_members_of_a_group_share_one_place_over_restarts(disk: Disk) -> None:
    def member(name: str) -> type[Agent]:
        class Member(Agent, name=name):
            seen: list[Any] = []

            @on("n", group="crew", capacity=2, qos=QoS.BACKGROUND)
            async def take(self, event: Event, ctx: Context) -> None:
                await asyncio.sleep(0.1)
                self.seen.append(event.payload)

        return Member

    images: deque[Disk] = deque()
    async with life(disk, member("A"), member("B")) as loom:
        for number in range(40):
            await loom.publish("n", number)
            if number % 8 == 7:
                await asyncio.sleep(0.15)
                images.append(disk.image())
        await run_until_idle(loom, 10)
        assert sorted(seen(loom, "A") + seen(loom, "B")) == list(range(40))
        assert seen(loom, "A")
        assert seen(loom, "B")
    for published, image in zip(range(8, 41, 8), images, strict=True):
        async with life(image, member("A"), member("B")) as loom:
            await loom.idle()
            assert sorted(seen(loom, "A") + seen(loom, "B")) == list(range(published))


@pytest.mark.parametrize("start", ["now", "beginning", 3])
@virtual_time
async def test_a_new_subscription_begins_where_it_says(disk: Disk, start: Any) -> None:
    class Late(Agent):
        seen: list[Any] = []

        @on("n", start=start)
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    async with life(disk, Diary) as loom:
        for number in range(1, 6):
            await loom.publish("n", number)
        await loom.idle()
        first = [loom._durable.journal.event(s) for s in range(1, 12)] if loom._durable else []
        numbers = [(e.seq, e.payload) for e in first if e is not None and e.topic == "n"]
    async with life(disk, Diary, Late) as loom:
        await loom.publish("n", 6)
        await loom.idle()
        least = {"now": 10**9, "beginning": 0, 3: 3}[start]
        assert seen(loom, "Late") == [p for seq, p in numbers if seq > least] + [6]


@virtual_time
async def test_shed_at_bounds_a_topic_and_loses_nothing_that_is_kept(disk: Disk) -> None:
    class Slow(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n", shed_at=2, qos=QoS.BACKGROUND)
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.1)
            self.seen.append(event.payload)

    async with life(disk, Slow) as loom:
        for number in range(10):
            await loom.publish("n", number)
        assert max(len(q) for q in loom.bus.queues()) <= 2
        await loom.idle()
        assert seen(loom) == list(range(10))


@virtual_time
async def test_an_idle_subscription_keeps_up_with_the_head(disk: Disk) -> None:
    class Rare(Agent):
        @on("rare")
        async def take(self, event: Event, ctx: Context) -> None: ...

    async with life(disk, Diary, Rare) as loom:
        for number in range(50):
            await loom.publish("n", number)
        await loom.idle()
    async with life(disk, Diary, Rare) as loom:
        assert loom._durable is not None
        journal = loom._durable.journal
        assert journal.cursors["Rare.take"].position == journal.head >= 50


@virtual_time
async def test_output_that_lands_after_the_bus_has_closed_is_for_the_next_life_and_no_dead_letter(
    disk: Disk,
) -> None:
    class Hears(Agent, name="Hears"):
        seen: list[Any] = []

        @on("said")
        async def hear(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    async with life(disk, Diary, Hears) as loom:
        await held(loom, disk, 1)
        stopping = asyncio.ensure_future(loom.stop(0.0))
        await until(lambda: loom.bus.closed)
        disk.release()
        await stopping
        assert loom.dead_letters == []
    assert not disk.kept[Family.DEAD]
    async with life(disk, Diary, Hears) as loom:
        await loom.idle()
        assert seen(loom, "Hears") == [1]
