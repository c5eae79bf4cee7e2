"""Steps that run ahead of their commit: what fails is taken back in order, what lands leaves, nothing counts twice."""

import asyncio
import threading
from collections import deque
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, QoS, on
from loom.agent._supervision import Restart, Retry
from loom.errors import StoreError
from loom.store import Family
from loom.testing import Probe, run_until_idle, virtual_time
from tests.journal.disks import Disk, disk, life, of_steps, turns, until

__all__ = ["disk"]


class Diary(Agent):
    """Writes down what it is told and says so."""

    seen: list[Any] = []

    @on("n")
    async def take(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload)
        ctx.publish("said", event.payload)


def seen(loom: Loom, name: str = "Diary") -> list[Any]:
    found: list[Any] = loom.agent(name).instance.seen  # type: ignore[attr-defined]
    return found


def publish(loom: Loom, *payloads: Any, topic: str = "n", **fields: Any) -> list["asyncio.Task[Event]"]:
    return [asyncio.ensure_future(loom.publish(topic, p, **fields)) for p in payloads]


async def held(loom: Loom, disk: Disk, *payloads: Any, name: str = "Diary", topic: str = "n") -> None:
    """Have *payloads* journalled and handled, and the commits of their steps held before the disk."""
    await loom.idle()
    await asyncio.gather(*publish(loom, *payloads, topic=topic))
    disk.hold()
    await turns()
    await until(lambda: loom._cells[name].ahead or not disk.hold())


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

    class Fails(Agent, name="Diary", retry=Retry(attempts=5, base=2.0, jitter=0.0)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            attempts.append(event.payload)
            if event.payload == 2 and attempts.count(2) < 3:
                raise ValueError("not yet")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        await asyncio.gather(*publish(loom, 1, 2, 3))
        disk.refuse = lambda n: n == 2
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
