"""Keyed agents: one instance for each key, in order, awake while it has something to do, over kills and failures."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, on
from loom.testing import Probe, new_loom, run_until_idle, virtual_time
from tests.agent.rooms import Room, awake, lawful, say, states
from tests.journal.disks import Disk, disk, life, turns, until

__all__ = ["disk"]


@virtual_time(seeds=4)
async def test_one_instance_for_each_key_each_in_order_and_few_awake(disk: Disk) -> None:
    disk = disk.image()
    most = 0
    async with life(disk, Room) as loom:
        with Probe(loom.bus, "said") as probe:
            for number in range(120):
                await say(loom, f"r{number * 7 % 10}", number)
                most = max(most, len(awake(loom)))
                lawful(loom)
            await loom.idle()
            heard = defaultdict(list)
            for event in probe.events:
                heard[event.metadata["room"]].append(event.payload)
        assert most <= 3
        assert loom._cells["Room"].woken > 10  # type: ignore[attr-defined]
    wanted = {f"r{k}": [n for n in range(120) if n * 7 % 10 == k] for k in range(10)}
    assert heard == wanted
    assert await states(disk, Room, wanted) == wanted


@virtual_time(seeds=3)
async def test_in_memory_too_the_next_key_gets_its_turn_when_one_may_sleep() -> None:
    class Small(Agent, name="Room", key="metadata.room", awake=1):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.1)
            self.seen.append(event.payload)
            ctx.publish("said", list(self.seen))

    loom = new_loom(Small)
    async with loom:
        with Probe(loom.bus, "said") as probe:
            for number in range(12):
                await say(loom, f"r{number % 3}", number)
            await run_until_idle(loom, 10)
            assert probe.payloads[-3:] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
        assert len(awake(loom)) == 1
        lawful(loom)


@virtual_time(seeds=3)
async def test_two_handlers_of_an_instance_keep_one_order(disk: Disk) -> None:
    disk = disk.image()

    class Pair(Agent, name="Room", key="metadata.room", awake=2):
        seen: list[Any] = []

        @on("a")
        async def one(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

        @on("b")
        async def two(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.01)
            self.seen.append(event.payload)
            ctx.publish("said", (event.metadata["room"], list(self.seen)))

    async with life(disk, Pair) as loom:
        with Probe(loom.bus, "said") as probe:
            for number, topic in enumerate("baabbabbaaabbabaabab"):
                await say(loom, f"r{number % 3}", number, topic=topic)
            await loom.idle()
            for room, listed in probe.payloads:
                assert listed == sorted(listed), room


@virtual_time
async def test_nobody_sleeps_with_something_open(disk: Disk) -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Waits(Agent, name="Room", key="metadata.room", awake=1):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            ctx.publish("said", event.payload)
            if event.payload == "waits":
                await gate

    async with life(disk, Waits) as loom:
        await say(loom, "a", "waits")
        await say(loom, "b", 2)
        await turns()
        assert awake(loom) == ["a"]
        disk.hold()
        gate.set_result(None)
        await turns(100)
        assert awake(loom) == ["a"]  # its step is on its way to disk
        disk.release()
        await loom.idle()
        assert awake(loom) == ["b"]
        full = loom.subscribe("said", capacity=1)
        await say(loom, "b", 3)
        await say(loom, "b", 4)
        await loom.idle() if loom._quiet() else await asyncio.sleep(1)
        await say(loom, "c", 5)
        await asyncio.sleep(1)
        assert awake(loom) == ["b"]  # its output waits
        while full._entry.queue.take(0) is not None or awake(loom) == ["b"]:
            await asyncio.sleep(0.1)
        assert awake(loom) == ["c"]
        full.close()


@virtual_time
async def test_state_that_only_realtime_changed_is_kept_before_its_instance_sleeps(disk: Disk) -> None:
    class Quick(Agent, name="Room", key="metadata.room", awake=1):
        seen: list[Any] = []

        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    async with life(disk, Quick) as loom:
        for number, room in enumerate("aba", 1):
            await say(loom, room, number, topic="now")
            await turns()
        assert awake(loom) == ["a"]
        await run_until_idle(loom, 5)
        await say(loom, "b", 4, topic="n")
        await run_until_idle(loom, 3)
        lawful(loom)

    class Room(Quick, name="Room", key="metadata.room", awake=1): ...

    assert await states(disk, Room, "ab") == {"a": [1, 3], "b": [2, 4]}


@virtual_time
async def test_hooks_run_for_each_instance_when_it_wakes_and_sleeps(disk: Disk) -> None:
    class Hooked(Agent, name="Room", key="metadata.room", awake=2):
        seen: list[Any] = []

        async def on_start(self, ctx: Context) -> None:
            self.seen.append("start")

        async def on_stop(self, ctx: Context) -> None:
            self.seen.append("stop")

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            ctx.publish("said", list(self.seen))

    async with life(disk, Hooked) as loom:
        with Probe(loom.bus, "said") as probe:
            for number, room in enumerate("abcabc"):
                await say(loom, room, number)
                await loom.idle()
            assert probe.payloads[0] == ["start", 0]
            assert probe.payloads[3:] == [["start", n, "stop", "start", n + 3] for n in range(3)]
        assert len(awake(loom)) <= 2
        lawful(loom)


@virtual_time
async def test_a_chatty_key_has_a_bounded_mailbox_and_others_go_on(disk: Disk) -> None:
    class Slow(Agent, name="Room", key="metadata.room"):
        seen: list[Any] = []

        @on("n", qos=QoS.BACKGROUND)
        async def take(self, event: Event, ctx: Context) -> None:
            if event.metadata["room"] == "chatty":
                await asyncio.sleep(1)
            self.seen.append(event.payload)

    async with life(disk, Slow, drain=300) as loom:
        for number in range(60):
            await say(loom, "chatty", number)
        await say(loom, "calm", 1)
        await asyncio.sleep(0.1)
        assert loom._cells["Room/calm"].instance.seen == [1]  # type: ignore[attr-defined]
        for number in range(60, 200):
            await say(loom, "chatty", number)
        assert max(len(box) for box in loom._cells["Room/chatty"].queues()) <= 64
        lawful(loom)
        await run_until_idle(loom, 250)
        assert loom._cells["Room/chatty"].instance.seen == list(range(200))  # type: ignore[attr-defined]
        lawful(loom)


@pytest.mark.parametrize("durable", [False, True])
@virtual_time
async def test_timers_of_an_instance_come_back_to_it_asleep_or_awake(disk: Disk, durable: bool) -> None:
    class Timed(Agent, name="Room", key="metadata.room", awake=1):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            ctx.after(10, "rings", event.payload)

        @on("rings")
        async def rings(self, event: Event, ctx: Context) -> None:
            self.seen.append(-event.payload)
            ctx.publish("said", (event.metadata["room"], list(self.seen)))

    async with life(disk, Timed) if durable else new_loom(Timed) as loom:
        with Probe(loom.bus, "said") as probe:
            for number, room in enumerate("abc", 1):
                await say(loom, room, number)
            await run_until_idle(loom, 20)
            assert sorted(probe.payloads) == [("a", [1, -1]), ("b", [2, -2]), ("c", [3, -3])]
        lawful(loom)


@virtual_time
async def test_instances_are_made_while_publishers_wait_for_room(disk: Disk) -> None:
    class Slow(Agent, name="Room", key="metadata.room", awake=2):
        seen: list[Any] = []

        @on("n", capacity=2)
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.1)
            self.seen.append(event.payload)

    async with life(disk, Slow, drain=60) as loom:
        work = [asyncio.ensure_future(say(loom, f"r{n % 4}", n)) for n in range(24)]
        await asyncio.gather(*work)
        await loom.idle()
        lawful(loom)
        await until(loom._quiet)

    class Room(Slow, name="Room", key="metadata.room"): ...

    found = await states(disk, Room, [f"r{k}" for k in range(4)])
    assert sorted(n for seen in found.values() for n in seen) == list(range(24))
