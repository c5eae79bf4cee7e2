"""A REALTIME handler that interrupts: the running step is taken back whole and runs again, once."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, QoS, action, on
from loom.testing import run_until_idle, virtual_time
from tests.agent.worlds import lawful, state


class Interrupted(Agent):
    done: list[Any] = []
    half: int = 0

    @on("work")
    async def work(self, event: Event, ctx: Context) -> None:
        self.half += 1
        ctx.publish("out", event.payload)
        await asyncio.sleep(10)
        self.done.append(event.payload)

    @on("plain", qos=QoS.REALTIME)
    async def plain(self, event: Event) -> None:
        self.done.append(("plain", self.half))

    @on("stop", qos=QoS.REALTIME, interrupts=True)
    async def stop(self, event: Event, ctx: Context) -> None:
        self.done.append(("stop", self.half))


@virtual_time(seeds=10)
async def test_an_interrupting_event_rolls_the_running_step_back_and_it_runs_again() -> None:
    async with lawful(Interrupted) as (loom, law):
        await loom.publish("work", 1)
        await loom.publish("work", 2)
        await asyncio.sleep(1)
        await loom.publish("stop")
        await asyncio.sleep(1)
        assert state(loom, "Interrupted").done == [("stop", 0)], "half-done work was taken back"
        await run_until_idle(loom, 30)
        agent = state(loom, "Interrupted")
        assert agent.done == [("stop", 0), 1, 2]
        assert agent.half == 2
        outcomes = [outcome for _, _, outcome in law.steps]
        assert outcomes == ["interrupted", "committed", "committed", "committed"]
        assert loom.statistics().agents["Interrupted"].interrupted == 1


@virtual_time(seeds=10)
async def test_without_interrupts_realtime_waits_for_the_handler_and_others_still_interrupt() -> None:
    async with lawful(Interrupted) as (loom, _):
        await loom.publish("work", 1)
        await asyncio.sleep(1)
        await loom.publish("plain")
        await asyncio.sleep(1)
        assert state(loom, "Interrupted").done == []
        await loom.publish("stop")
        await asyncio.sleep(1)
        assert state(loom, "Interrupted").done == [("plain", 0), ("stop", 0)]
        await run_until_idle(loom, 30)
        assert state(loom, "Interrupted").done[2:] == [1]


@virtual_time(seeds=10)
async def test_many_interruptions_lose_nothing_and_run_nothing_twice() -> None:
    async with lawful(Interrupted) as (loom, _):
        for n in range(5):
            await loom.publish("work", n)
        for _ in range(40):
            await asyncio.sleep(loom.random.random() * 8)
            await loom.publish("stop")
        await run_until_idle(loom, 200)
        agent = state(loom, "Interrupted")
        assert [d for d in agent.done if isinstance(d, int)] == list(range(5))
        assert agent.half == 5
        assert sum(d[0] == "stop" for d in agent.done if isinstance(d, tuple)) == 40
        assert all(s.in_flight == 0 for s in loom.statistics().queues)
        assert {runner.cancelling() for runner in loom._services.scheduler._runners} == {0}


@virtual_time(seeds=5)
async def test_a_handler_that_turns_the_interruption_into_an_error_is_interrupted_all_the_same() -> None:
    class Stubborn(Agent):
        done: list[int] = []

        @on("work")
        async def work(self, event: Event, ctx: Context) -> None:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                if event.payload == 1:
                    raise ValueError("instead") from None
                if event.payload == 3:
                    self.done.append(-1)
                    return
                raise
            self.done.append(event.payload)

        @on("stop", qos=QoS.REALTIME, interrupts=True)
        async def stop(self, event: Event) -> None: ...

    async with lawful(Stubborn) as (loom, law):
        for n in range(1, 5):
            await loom.publish("work", n)
        for _ in range(6):
            await asyncio.sleep(7)
            await loom.publish("stop")
        await run_until_idle(loom, 100)
        assert state(loom, "Stubborn").done == [1, 2, 3, 4]
        assert loom.dead_letters == []
        assert "failed" not in {outcome for _, _, outcome in law.steps}


@pytest.mark.parametrize("interrupting", [False, True])
def test_a_call_that_was_under_way_when_interrupted_is_not_recorded(interrupting: bool) -> None:
    @virtual_time(seeds=3)
    async def check() -> None:
        runs: list[str] = []

        @action("slow", interruptible=not interrupting)
        async def slow(idempotency_key: str) -> str:
            await asyncio.sleep(2)
            runs.append(idempotency_key)
            return "ok"

        class Caller(Agent):
            got: list[str] = []

            @on("work")
            async def work(self, event: Event, ctx: Context) -> None:
                self.got.append(await ctx.call("slow"))

            @on("stop", qos=QoS.REALTIME, interrupts=True)
            async def stop(self, event: Event) -> None: ...

        async with lawful(slow, Caller) as (loom, _):
            await loom.publish("work")
            await asyncio.sleep(1)
            await loom.publish("stop")
            await run_until_idle(loom, 10)
            assert state(loom, "Caller").got == ["ok"]
            assert len(runs) == 1, "an action that must finish is joined, not started again"

    check()
