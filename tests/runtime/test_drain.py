"""Idle and stop: neither too early nor never, nothing accepted is lost, and stop() says what is left."""

import asyncio
import threading
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, Retry, action, on, source
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time


class Slow(Agent):
    seen: list[int] = []

    @on("work")
    async def work(self, event: Event, ctx: Context) -> None:
        await asyncio.sleep(1)
        self.seen.append(event.payload)
        if event.payload < 3:
            ctx.publish("more", event.payload)

    @on("more", qos=QoS.BACKGROUND)
    async def more(self, event: Event) -> None:
        await asyncio.sleep(1)
        self.seen.append(event.payload + 100)


@virtual_time(seeds=5)
async def test_stop_handles_what_was_accepted_and_what_follows_from_it() -> None:
    loom = new_loom(Slow)
    async with loom:
        for n in range(5):
            await loom.publish("work", n)
    assert loom.left == 0
    seen = loom.agent("Slow").instance.seen  # type: ignore[attr-defined]
    assert sorted(seen) == [0, 1, 2, 3, 4, 100, 101, 102]


@virtual_time(seeds=3)
async def test_stop_returns_within_its_time_what_is_left_undone() -> None:
    @action("slow", timeout=1000)
    async def slow() -> None:
        await asyncio.sleep(500)

    class Acts(Agent):
        @on("act")
        async def act(self, event: Event, ctx: Context) -> None:
            ctx.act("slow")
            for n in range(3):
                ctx.publish("narrow", n)

    class Narrow(Agent):
        @on("narrow", capacity=1)
        async def narrow(self, event: Event) -> None:
            await asyncio.sleep(1000)

    loom = await new_loom(Slow, slow, Acts, Narrow).start()
    for n in range(3, 20):
        await loom.publish("work", n)
    await loom.publish("act")
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    left = await loom.stop(timeout=5.5)
    assert asyncio.get_running_loop().time() - began < 30
    done = len(loom.agent("Slow").instance.seen)  # type: ignore[attr-defined]
    assert left == (17 - done) + 3 + 1, "events not handled, output not delivered, an action not done"
    assert loom.left == left
    assert await loom.stop() == left, "stopping again changes nothing"


@virtual_time
async def test_a_runtime_that_never_started_stops_at_once() -> None:
    loom = new_loom(Slow)
    await loom.publish("work", 1)
    assert await loom.stop() == 1
    assert asyncio.get_running_loop().time() < 0.1


@virtual_time
async def test_two_who_stop_at_once_wait_for_the_same_end() -> None:
    loom = await new_loom(Slow).start()
    await loom.publish("work", 9)
    assert await asyncio.gather(loom.stop(), loom.stop()) == [0, 0]
    assert loom.agent("Slow").instance.seen == [9]  # type: ignore[attr-defined]


@virtual_time
async def test_an_error_in_the_with_block_stops_without_waiting() -> None:
    async def fail() -> None:
        async with new_loom(Slow) as loom:
            await loom.publish("work", 1)
            await asyncio.sleep(0.1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert asyncio.get_running_loop().time() < 1


@virtual_time
async def test_a_handler_may_stop_the_runtime_it_runs_in() -> None:
    class Last(Agent):
        @on("stop")
        async def stop(self, event: Event) -> None:
            left.append(await loom.stop(timeout=5))

    left: list[int] = []
    loom = await new_loom(Last, Slow).start()
    await loom.publish("stop")
    await loom.publish("work", 9)
    await asyncio.sleep(60)
    assert loom.statistics().state == "stopped"
    assert left == [1], "itself"
    assert loom.agent("Slow").instance.seen == [9]  # type: ignore[attr-defined]


@virtual_time(seeds=5)
async def test_cancelling_the_task_that_runs_it_ends_everything() -> None:
    ended: list[str] = []

    class Waits(Agent):
        @on("go")
        async def go(self, event: Event) -> None:
            try:
                await asyncio.sleep(1e6)
            finally:
                ended.append("handler")

    async def main() -> None:
        async with new_loom(Waits) as loom:
            for _ in range(3):
                await loom.publish("go")
            await asyncio.sleep(1e7)

    task = asyncio.create_task(main())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["handler"]
    assert {t for t in asyncio.all_tasks() if t is not asyncio.current_task()} == set()


@virtual_time
async def test_sources_end_before_agents_drain() -> None:
    @source("ticks")
    async def ticks(out: Any) -> None:
        n = 10
        while True:
            await out("work", n)
            n += 1
            await asyncio.sleep(0.9)

    loom = new_loom(ticks, Slow)
    async with loom:
        await asyncio.sleep(10)
    assert loom.left == 0
    published = loom.statistics().sources["ticks"]
    assert loom.agent("Slow").instance.seen == list(range(10, 10 + published))  # type: ignore[attr-defined]


# --- idle -------------------------------------------------------------------------------------------------------------


@virtual_time(seeds=5)
async def test_idle_waits_for_retries_actions_and_output() -> None:
    log: list[str] = []

    @action("slow", interruptible=False)
    async def slow(n: int) -> None:
        await asyncio.sleep(5)
        log.append(f"action {n}")

    class Busy(Agent, retry=Retry(base=7, jitter=0)):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            if ctx.attempt == 1:
                raise ValueError
            ctx.act("slow", n=1)
            log.append("step")

        @on("cut")
        async def cut(self, event: Event, ctx: Context) -> None:
            await ctx.call("slow", n=2)

    async with new_loom(slow, Busy) as loom:
        await loom.publish("go")
        await loom.idle()
        assert log == ["step", "action 1"]
        await loom.publish("cut", scope="turn")
        await asyncio.sleep(1)
        loom.cancel("turn")
        await loom.idle()
        assert log[-1] == "action 2", "an action that must finish counts though its step is gone"


@virtual_time
async def test_idle_returns_at_once_when_there_is_nothing_and_timers_do_not_count() -> None:
    class Later(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            ctx.after(100, "later")

    async with new_loom(Later) as loom:
        await loom.idle()
        await loom.publish("go")
        await loom.idle()
        assert asyncio.get_running_loop().time() == 0


@virtual_time
async def test_idle_sees_what_other_threads_publish_even_to_nobody() -> None:
    async with new_loom(Slow) as loom:
        assert loom.publish_threadsafe("nobody.listens", 1)
        await loom.idle()
        assert loom.publish_threadsafe("work", 5)
        await loom.idle()
        assert loom.agent("Slow").instance.seen == [5]  # type: ignore[attr-defined]


def test_many_threads_may_publish_and_nothing_is_lost_or_counted_twice() -> None:
    async def main() -> None:
        class Counts(Agent):
            total: int = 0

            @on("n", capacity=100_000)
            def add(self, event: Event) -> None:
                self.total += event.payload

        async with new_loom(Counts) as loom:
            taken: list[int] = []

            def publish() -> None:
                taken.append(sum(loom.publish_threadsafe("n", 1) for _ in range(500)))

            def all_of_them() -> None:
                threads = [threading.Thread(target=publish) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

            await asyncio.to_thread(all_of_them)
            await run_until_idle(loom)
            assert loom.agent("Counts").instance.total == sum(taken)  # type: ignore[attr-defined]
            assert sum(taken) + loom.statistics().refused_threadsafe == 2000

    run(main())


@virtual_time(seeds=5)
async def test_idle_ends_when_what_it_waits_for_is_cancelled() -> None:
    class Held(Agent, retry=Retry(base=1e6, limit=1e6, jitter=0)):
        @on("go")
        async def go(self, event: Event) -> None:
            raise ValueError

    async with new_loom(Held) as loom:
        await loom.publish("go", scope="turn")
        asyncio.get_running_loop().call_later(3, loom.cancel, "turn")
        await loom.idle()
        assert asyncio.get_running_loop().time() == 3


@virtual_time
async def test_statistics_add_up_and_observers_see_every_step() -> None:
    async with new_loom(Slow) as loom:
        probe = Probe(loom.bus, "work")
        for n in range(5):
            await loom.publish("work", n)
        await run_until_idle(loom, 1)
        now = loom.statistics()
        assert now.steps == 8
        assert now.agents["Slow"].committed == 8
        assert all(q.balanced() for q in now.queues)
        assert probe.count == 5
        assert (now.dead_letters, now.actions_pending, now.state) == (0, 0, "running")
