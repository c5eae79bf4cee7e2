"""Steps ahead of their commit: what fails is taken back in order, what lands leaves, nothing counts twice."""

import asyncio
import threading
from typing import Any

from loom import Agent, Context, Event, QoS, on
from loom.agent._supervision import Retry
from loom.testing import Probe, run_until_idle, virtual_time
from tests.agent.diaries import Diary, held, publish, seen
from tests.journal.disks import Disk, disk, life, of_steps, turns, until

__all__ = ["disk"]


@virtual_time
async def test_a_state_outlives_the_process_and_a_crash_at_any_moment(disk: Disk) -> None:
    async with life(disk, Diary) as loom:
        images = []
        for number in range(6):
            await loom.publish("n", number)
            images.append((number + 1, disk.image()))
            await turns(number)
            images.append((number + 1, disk.image()))
        await loom.idle()
        assert seen(loom) == list(range(6))
    for published, image in images:
        async with life(image, Diary) as again:
            await again.idle()
            assert seen(again) == list(range(published))


@virtual_time
async def test_an_agent_runs_a_bounded_way_ahead_of_its_commit(disk: Disk) -> None:
    async with life(disk, Diary) as loom:
        await asyncio.gather(*publish(loom, *range(200)))
        disk.hold()
        await turns(600)
        cell = loom._cells["Diary"]
        assert cell.ahead is not None
        ahead = len(cell.ahead)
        assert 1 <= ahead <= 64
        disk.release()
        await loom.idle()
        assert seen(loom) == list(range(200))
        assert not cell.ahead


@virtual_time
async def test_what_a_full_agent_has_ahead_never_exceeds_its_bound(disk: Disk) -> None:
    most = 0

    class Loud(Agent):
        seen: list[int] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            nonlocal most
            self.seen.append(event.payload)
            most = max(most, len(loom._cells["Loud"].ahead or ()))
            ctx.publish("free", event.payload)

    async with life(disk, Loud) as loom:
        full = loom.subscribe("free", capacity=1)
        for start in range(0, 400, 100):
            await asyncio.gather(*publish(loom, *range(start, start + 100)))
            disk.hold()
            for _ in range(30):
                if full._entry.queue.take(0) is not None:
                    full._entry.queue.settle()
                await turns(10)
            disk.release()
            await turns(50)
        while not loom._quiet() or full._entry.queue.items:
            if full._entry.queue.take(0) is not None:
                full._entry.queue.settle()
            await asyncio.sleep(0.1)
        assert seen(loom, "Loud") == list(range(400))
        assert most <= 64
        full.close()


@virtual_time
async def test_output_leaves_only_when_its_step_has_landed(disk: Disk) -> None:
    async with life(disk, Diary) as loom:
        with Probe(loom.bus, "said") as probe:
            await held(loom, disk, 1)
            await turns(100)
            assert seen(loom) == [1]
            assert probe.count == 0
            disk.release()
            await loom.idle()
            assert probe.payloads == [1]


@virtual_time(seeds=3)
async def test_a_failed_commit_takes_every_step_ahead_back_and_handles_them_again_in_order(
    disk: Disk,
) -> None:
    disk = disk.image()  # another one for each seed
    async with life(disk, Diary) as loom:
        await loom.publish("n", 0)
        await loom.idle()
        with Probe(loom.bus, "said") as probe:
            await asyncio.gather(*publish(loom, *range(1, 31)))
            failing = disk.writes + 1
            disk.refuse = lambda n: n in (failing, failing + 1)
            await run_until_idle(loom, 30)
            assert disk.writes > failing + 1
            assert loom._durable is not None
            assert loom._durable.failures
            assert probe.payloads == list(range(1, 31))
        assert seen(loom) == list(range(31))
    async with life(disk, Diary) as loom:
        assert seen(loom) == list(range(31))


@virtual_time(seeds=6)
async def test_a_handler_that_is_in_the_middle_when_a_commit_fails_begins_again_after_it(disk: Disk) -> None:
    disk = disk.image()  # another one for each seed
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waits = threading.Event()
    begun: list[Any] = []

    class Waits(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            begun.append(event.payload)
            self.seen.append(event.payload)
            if event.payload == 2:
                waits.set()
                await asyncio.shield(gate)

    async with life(disk, Waits) as loom:
        assert loom._durable is not None
        disk.doomed = lambda puts: of_steps(puts) and waits.wait(5)
        told = loom._durable._failed

        def failed(*arguments: Any) -> None:
            gate.set_result(None)  # the handler could go on in the same moment
            told(*arguments)
            disk.doomed = lambda puts: False

        loom._durable._failed = failed  # type: ignore[method-assign]
        await asyncio.gather(*publish(loom, 1, 2))
        await run_until_idle(loom, 30)
        assert begun == [1, 2, 1, 2]
        assert seen(loom) == [1, 2]
    async with life(disk, Waits) as loom:
        assert seen(loom) == [1, 2]


@virtual_time(seeds=6)
async def test_a_realtime_step_in_the_middle_of_a_failed_commit_keeps_nothing_of_what_is_taken_back(
    disk: Disk,
) -> None:
    disk = disk.image()  # another one for each seed
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Both(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event, ctx: Context) -> None:
            if event.payload == "waits":
                await asyncio.shield(gate)
            self.seen.append(event.payload)
            ctx.publish("said", event.payload)

    async with life(disk, Both) as loom:
        assert loom._durable is not None
        with Probe(loom.bus, "said") as probe:
            disk.refuse = lambda n: n > 1
            await loom.publish("n", 1)
            await until(lambda: seen(loom) == [1])
            await loom.publish("now", "waits")
            await until(lambda: loom._durable is not None and loom._durable.failures)
            disk.refuse = lambda n: False
            await loom.publish("now", "later")
            await turns()
            gate.set_result(None)
            await run_until_idle(loom, 30)
            assert sorted(probe.payloads) == ["later", "waits"]
        assert seen(loom).count(1) == 1
        assert set(seen(loom)) <= {1, "later", "waits"}
        now = seen(loom)
    async with life(disk, Both) as loom:
        assert seen(loom) == now


@virtual_time(seeds=3)
async def test_a_hook_in_the_middle_of_a_failed_commit_is_taken_back_too(disk: Disk) -> None:
    disk = disk.image()  # another one for each seed
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    runs = threading.Event()

    class Hooked(Agent, name="Diary", retry=Retry(attempts=1)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if event.payload == "bad":
                raise ValueError("bad")
            self.seen.append(event.payload)

        async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
            runs.set()
            await asyncio.shield(gate)
            self.seen.append("error")

    async with life(disk, Hooked) as loom:
        assert loom._durable is not None
        disk.doomed = lambda puts: of_steps(puts) and runs.wait(5)
        work = publish(loom, 1, "bad")
        await until(lambda: loom._durable is not None and loom._durable.failures)
        disk.doomed = lambda puts: False
        gate.set_result(None)
        await asyncio.gather(*work)
        await run_until_idle(loom, 30)
        assert seen(loom) == [1]
    async with life(disk, Hooked) as loom:
        assert seen(loom) == [1]


@virtual_time
async def test_a_retry_that_is_held_when_a_commit_fails_comes_after_what_was_before_it(disk: Disk) -> None:
    attempts: list[Any] = []
    tried = threading.Event()

    class Fails(Agent, name="Diary", retry=Retry(attempts=5, base=2.0, jitter=0.0)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            attempts.append(event.payload)
            if event.payload == 2:
                tried.set()
            if event.payload == 2 and attempts.count(2) < 3:
                raise ValueError("not yet")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        disk.doomed = lambda puts: of_steps(puts) and attempts.count(1) == 1 and tried.wait(5)
        await asyncio.gather(*publish(loom, 1, 2, 3))
        await run_until_idle(loom, 60)
        assert seen(loom) == [1, 2, 3]
        assert attempts == [1, 2, 1, 2, 2, 3]


@virtual_time(seeds=4)
async def test_two_handlers_of_a_lane_keep_one_order_through_failures_falling_behind_and_restarts(
    disk: Disk,
) -> None:
    disk = disk.image()  # another one for each seed

    class Pair(Agent, name="Diary"):
        seen: list[Any] = []

        @on("n.odd", capacity=3, qos=QoS.BACKGROUND)
        async def odd(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.01)
            self.seen.append(event.payload)

        @on("n.even", capacity=5, qos=QoS.BACKGROUND)
        async def even(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    async with life(disk, Pair) as loom:
        for number in range(60):
            await loom.publish("n.odd" if number % 3 else "n.even", number)
        disk.refuse = lambda n: n % 5 == 0
        await asyncio.sleep(0.2)
        image = disk.image()
        disk.refuse = lambda n: False
        await run_until_idle(loom, 60)
        assert seen(loom) == list(range(60))
    async with life(image, Pair) as loom:
        await loom.idle()
        assert seen(loom) == list(range(60))


@virtual_time
async def test_what_is_not_kept_keeps_its_order_too(disk: Disk) -> None:
    class Pair(Agent, name="Diary"):
        seen: list[Any] = []

        @on("a", durable=False)
        async def one(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

        @on("b", durable=False)
        async def two(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

        @on("c")
        async def three(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    async with life(disk, Pair) as loom:
        for number, topic in enumerate("bacbabcaabbccab"):
            await loom.publish(topic, number)
        await loom.idle()
        assert seen(loom) == list(range(15))


@virtual_time(seeds=4)
async def test_interruptions_and_failed_commits_together_lose_nothing(disk: Disk) -> None:
    disk = disk.image()  # another one for each seed

    class Both(Agent, name="Diary"):
        seen: list[Any] = []
        interruptions: int = 0

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)
            await asyncio.sleep(0.3)

        @on("now", qos=QoS.REALTIME, interrupts=True)
        async def now(self, event: Event, ctx: Context) -> None:
            self.interruptions += 1

    async with life(disk, Both, drain=100) as loom:
        work = publish(loom, *range(12))
        disk.refuse = lambda n: n % 4 == 3
        for _ in range(20):
            await asyncio.sleep(0.17)
            await loom.publish("now")
        await asyncio.gather(*work, return_exceptions=True)
        disk.refuse = lambda n: False
        kept = [task.result().payload for task in work if task.exception() is None]
        await run_until_idle(loom, 60)
        assert seen(loom) == kept
    async with life(disk, Both) as loom:
        assert seen(loom) == kept


@virtual_time
async def test_output_that_leaves_meanwhile_does_not_end_a_recovery(disk: Disk) -> None:
    async with life(disk, Diary) as loom:
        cell = loom._cells["Diary"]
        cell.blocked = cell.recovering = True
        cell.outbox._arrived()
        assert cell.blocked
        cell.recovering = False
        cell.outbox._arrived()
        assert not cell.blocked
