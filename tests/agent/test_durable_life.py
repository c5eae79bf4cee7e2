"""The life of durable agents: hooks, REALTIME, cancellation, dead letters, parking, stopping, starting again."""

import asyncio
from typing import Any

from loom import Agent, Context, Event, QoS, on
from loom.agent._supervision import Restart, Retry
from loom.store import Family
from loom.testing import Probe, run_until_idle, virtual_time
from tests.agent.diaries import Diary, held, publish, seen
from tests.journal.disks import Disk, disk, life, turns, until

__all__ = ["disk"]


@virtual_time
async def test_hooks_are_steps_that_are_kept(disk: Disk) -> None:
    class Hooked(Agent, name="Diary"):
        seen: list[Any] = []

        async def on_start(self, ctx: Context) -> None:
            self.seen.append("start")
            ctx.publish("n", "hello")

        async def on_stop(self, ctx: Context) -> None:
            self.seen.append("stop")

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    for _ in range(2):
        async with life(disk, Hooked) as loom:
            await loom.idle()
    async with life(disk, Hooked) as loom:
        assert seen(loom)[:6] == ["start", "hello", "stop", "start", "hello", "stop"]


@virtual_time
async def test_a_start_that_cannot_be_kept_is_tried_again(disk: Disk) -> None:
    class Hooked(Agent, name="Diary"):
        seen: list[Any] = []

        async def on_start(self, ctx: Context) -> None:
            self.seen.append("start")

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    disk.refuse = lambda n: n == 1
    async with life(disk, Hooked) as loom:
        await asyncio.sleep(10)
        await loom.publish("n", 1)
        await loom.idle()
        assert seen(loom) == ["start", 1]


@virtual_time
async def test_realtime_never_waits_for_the_disk_and_its_state_is_there_a_second_later(disk: Disk) -> None:
    class Quick(Agent, name="Diary"):
        seen: list[Any] = []

        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            ctx.publish("said", event.payload)

    async with life(disk, Quick) as loom:
        await loom.idle()
        with Probe(loom.bus, "said") as probe:
            disk.hold()
            await loom.publish("now", 1)
            await until(lambda: probe.count == 1)
            disk.release()
        await asyncio.sleep(1.2)
        async with life(disk.image(), Quick) as other:
            assert seen(other) == [1]
        disk.refuse = lambda n: True
        await loom.publish("now", 2)
        await asyncio.sleep(3)
        disk.refuse = lambda n: False
        await asyncio.sleep(1.2)
        async with life(disk.image(), Quick) as other:
            assert seen(other) == [1, 2]
        await loom.publish("now", 3)
    async with life(disk, Quick) as loom:
        assert seen(loom) == [1, 2, 3]


@virtual_time
async def test_cancel_before_the_commit_discards_and_after_it_undelivered_output_ends(disk: Disk) -> None:
    class First(Agent):
        seen: list[Any] = []

        @on("first")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            ctx.publish("n", event.payload)
            if event.payload == "slow":
                await asyncio.sleep(5)

    async with life(disk, First, Diary) as loom:
        await loom.publish("first", "slow", scope="s1")
        await asyncio.sleep(1)
        assert loom.cancel("s1") >= 1
        await loom.idle()
        assert seen(loom, "First") == []
        await loom.publish("first", 1, scope="s2")
        disk.hold()
        await until(lambda: seen(loom, "First") == [1])
        await turns()
        loom.cancel("s2")
        disk.release()
        await loom.idle()
        assert seen(loom, "First") == [1]
        assert seen(loom) == []
        queue = next(q for q in loom.bus.queues() if q.name == "Diary.take").statistics()
        assert queue.balanced()
        assert queue.cancelled == queue.accepted == 1
        image = disk.image()
    for store in (disk, image):
        async with life(store, First, Diary) as loom:
            await loom.idle()
            assert (seen(loom, "First"), seen(loom)) == ([1], [])


@virtual_time
async def test_dead_letters_settle_and_are_not_handled_again(disk: Disk) -> None:
    class Fails(Agent, name="Diary", retry=Retry(attempts=2)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if event.payload < 0:
                raise ValueError("no")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        for number in (1, -2, 3):
            await loom.publish("n", number)
        disk.refuse = lambda n: n % 3 == 0
        await run_until_idle(loom, 30)
        disk.refuse = lambda n: False
        await run_until_idle(loom, 5)
        assert [letter.event.payload for letter in loom.dead_letters] == [-2]
    async with life(disk, Fails) as loom:
        await loom.idle()
        assert seen(loom) == [1, 3]
        assert loom.dead_letters == []
        assert disk.count(Family.DEAD) == 1


@virtual_time
async def test_a_durable_agent_that_parks_goes_on_where_it_was_when_unparked_and_in_the_next_life(
    disk: Disk,
) -> None:
    broken = True

    class Fails(Agent, name="Diary", retry=Retry(attempts=1), restart=Restart(failures=2, restarts=0)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if broken:
                raise ValueError("no")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        for number in range(6):
            await loom.publish("n", number)
        await asyncio.sleep(5)
        assert loom.agent("Diary").status == "parked"
        given_up = [letter.event.payload for letter in loom.dead_letters]
        image, broken = disk.image(), False
        await loom.unpark("Diary")
        await loom.idle()
        assert [*given_up, *seen(loom)] == list(range(6))
        assert len(given_up) == 2
    async with life(image, Fails) as loom:
        await loom.idle()
        assert [*given_up, *seen(loom)] == list(range(6))


@virtual_time
async def test_restarts_in_the_middle_of_failing_commits_count_nothing_twice(disk: Disk) -> None:
    class Fails(
        Agent, name="Diary", retry=Retry(attempts=1), restart=Restart(failures=1, restarts=99, base=0.05)
    ):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if event.payload % 5 == 4:
                raise ValueError("no")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        await asyncio.gather(*publish(loom, *range(30)))
        disk.refuse = lambda n: n % 3 == 0
        await asyncio.sleep(60)
        disk.refuse = lambda n: False
        await run_until_idle(loom, 60)
        assert seen(loom) == [n for n in range(30) if n % 5 != 4]
        assert sorted({letter.event.payload for letter in loom.dead_letters}) == [4, 9, 14, 19, 24, 29]


@virtual_time
async def test_stop_leaves_what_it_has_no_time_for_and_the_next_start_finds_everything(disk: Disk) -> None:
    class Slow(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(1)
            self.seen.append(event.payload)

    loom = life(disk, Slow)
    await loom.start()
    await asyncio.gather(*publish(loom, *range(10)))
    left = await loom.stop(3.5)
    assert left > 0
    done = len(seen(loom))
    assert 2 <= done < 10
    async with life(disk, Slow, drain=60) as loom:
        await loom.idle()
        assert seen(loom) == list(range(10))


@virtual_time
async def test_stop_ends_also_when_nothing_can_be_kept_any_more(disk: Disk) -> None:
    async with life(disk, Diary, drain=5) as loom:
        await loom.publish("n", 1)
        await loom.idle()
        await asyncio.gather(*publish(loom, 2, 3))
        disk.refuse = lambda n: True
    disk.refuse = lambda n: False
    async with life(disk, Diary) as loom:
        await loom.idle()
        assert seen(loom) == [1, 2, 3]


@virtual_time
async def test_positions_told_at_the_end_cover_nothing_that_is_on_its_way(disk: Disk) -> None:
    async with life(disk, Diary) as loom:
        assert loom._durable is not None
        await held(loom, disk, 1, 2)
        loom._durable.journal.flush()  # as the end of a runtime does while a write is on its way
        failing = disk.writes + 1
        disk.refuse = lambda n: n == failing
        disk.release()
        await until(lambda: loom._durable is not None and loom._durable.failures)
        await loom._durable.journal.committer.drained()
        image = disk.image()
        await loom.idle()
    async with life(image, Diary) as loom:
        await loom.idle()
        assert seen(loom) == [1, 2]
