"""Supervision: started, stopped, restarted from the committed state, parked and unparked; errors told to on_error."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Label, QoS, Restart, Retry, every, on
from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.testing import Probe, new_loom, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state

ONCE = Retry(attempts=1)


@virtual_time(seeds=3)
async def test_on_start_comes_before_the_first_event_and_on_stop_after_the_last() -> None:
    diary: list[str] = []

    class Polite(Agent):
        greeted: int = 0

        async def on_start(self, ctx: Context) -> None:
            await asyncio.sleep(1)
            diary.append("start")
            self.greeted = 1
            ctx.publish("hello")

        @on("go")
        async def go(self, event: Event) -> None:
            await asyncio.sleep(1)
            diary.append(f"go {event.payload}")

        def on_stop(self) -> None:  # type: ignore[override]
            diary.append("stop")

    loom = new_loom(Polite)
    probe = Probe(loom.bus, ">")
    await loom.publish("go", 1)
    await loom.start()
    await loom.publish("go", 2)
    assert await loom.stop() == 0
    assert diary == ["start", "go 1", "go 2", "stop"]
    assert probe.topics[:4] == ["go", "hello", "loom.agent.Polite.started", "go"]
    assert state(loom, "Polite").greeted == 1


@virtual_time(seeds=3)
async def test_an_agent_added_while_running_starts_and_misses_nothing() -> None:
    class Late(Agent):
        seen: list[int] = []

        async def on_start(self, ctx: Context) -> None:
            await asyncio.sleep(5)

        @on("go")
        async def go(self, event: Event) -> None:
            self.seen.append(event.payload)

    async with lawful() as (loom, _):
        loom.add(Late)
        await loom.publish("go", 1)
        await run_until_idle(loom)
        assert state(loom, "Late").seen == [1]


class Frail(Agent, retry=ONCE, restart=Restart(failures=2, restarts=2, window=1000, base=1, jitter=0)):
    good: int = 0
    names: dict[str, int] = {"b": 1, "a": 2}
    _cache: int = 0

    async def on_start(self, ctx: Context) -> None:
        ctx.publish("frail.up", self.good)

    async def on_stop(self, ctx: Context) -> None:
        ctx.publish("frail.down", self.good)

    @on("go", capacity=100)
    async def go(self, event: Event, ctx: Context) -> None:
        self._cache += 1
        self.good += 1
        self.names["c"] = self.good
        if event.payload == "bad":
            raise ValueError("bad")
        if event.payload == "timer":
            ctx.after(100, "frail.timer")


@virtual_time(seeds=5)
async def test_an_agent_that_gives_up_too_much_is_made_anew_from_its_committed_state() -> None:
    async with lawful(Frail) as (loom, _):
        probe = Probe(loom.bus, "loom.agent.Frail.>")
        up = Probe(loom.bus, "frail.*")
        await loom.publish("go", "timer")
        await run_until_idle(loom)
        before = state(loom, "Frail")
        for payload in ("bad", "bad", "good", "good"):
            await loom.publish("go", payload)
        await run_until_idle(loom, 50)
        agent = state(loom, "Frail")
        assert agent is not before
        assert (agent.good, agent.names) == (3, {"b": 1, "a": 2, "c": 3}), (
            "events after the restart were not lost"
        )
        assert [t.rpartition(".")[2] for t in probe.topics if "letter" not in t] == [
            "restarting",
            "restarted",
        ]
        assert up.topics == ["frail.down", "frail.up"]
        await run_until_idle(loom, 100)
        assert up.topics[-1] == "frail.timer", "timers outlive a restart"
        assert loom.statistics().agents["Frail"].status == "running"


@virtual_time(seeds=5)
async def test_a_restart_waits_for_the_step_that_runs() -> None:
    class Slow(Agent, retry=ONCE, restart=Restart(failures=1, base=0.1, jitter=0)):
        done: list[str] = []

        async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
            await asyncio.sleep(10)
            self.done.append("sorry")

        @on("fails", qos=QoS.REALTIME)
        async def fails(self, event: Event) -> None:
            raise ValueError

        @on("slow")
        async def slow(self, event: Event) -> None:
            await asyncio.sleep(10)
            self.done.append(event.payload)

    async with lawful(Slow) as (loom, _):
        await loom.publish("slow", "a")
        await asyncio.sleep(1)
        await loom.publish("fails")
        await loom.publish("slow", "b")
        await run_until_idle(loom, 60)
        assert state(loom, "Slow").done == ["a", "sorry", "b"], "what it did before the restart is kept"


@virtual_time(seeds=5)
async def test_restarting_too_often_parks_and_unparking_goes_on() -> None:
    async with lawful(Frail) as (loom, _):
        probe = Probe(loom.bus, "loom.agent.Frail.*")
        for _ in range(6):
            await loom.publish("go", "bad")
        await loom.publish("go", "good")
        await run_until_idle(loom, 100)
        assert loom.statistics().agents["Frail"].status == "parked"
        assert [t.rpartition(".")[2] for t in probe.topics if "letter" not in t][-1] == "parked"
        assert probe.payloads[-1] == {"queued": 1}
        await loom.publish("go", "good")
        await run_until_idle(loom, 100)
        assert state(loom, "Frail").good == 0
        with pytest.raises(ConfigError, match="no agent 'Nobody'; there are Frail"):
            await loom.unpark("Nobody")
        await loom.unpark("Frail")
        await run_until_idle(loom, 10)
        assert state(loom, "Frail").good == 2, "what waited while it was parked is handled"
        with pytest.raises(ConfigError, match="is running, not parked"):
            await loom.unpark("Frail")


@virtual_time
async def test_a_parked_agents_events_are_what_stop_reports() -> None:
    loom = new_loom(Frail)
    async with loom:
        for payload in ["bad"] * 6 + ["good"] * 3:
            await loom.publish("go", payload)
        await run_until_idle(loom, 100)
    assert loom.left == 3


@virtual_time(seeds=3)
async def test_on_start_that_fails_is_tried_again_and_then_parks() -> None:
    tries: list[float] = []

    class Shy(Agent, restart=Restart(restarts=3, base=1, factor=2, jitter=0)):
        ready: bool = False
        half: int = 0

        async def on_start(self, ctx: Context) -> None:
            tries.append(asyncio.get_running_loop().time())
            self.half += 1
            if len(tries) < wanted:
                raise OSError("no device")
            self.ready = True

        @on("go")
        async def go(self, event: Event) -> None: ...

    for wanted, times, status in ((3, [0, 1, 3], "running"), (99, [0, 1, 3, 7], "parked")):  # noqa: B007
        tries.clear()
        async with lawful(Shy) as (loom, _):
            began = asyncio.get_running_loop().time()
            await loom.publish("go")
            await run_until_idle(loom, 60)
            assert [t - began for t in tries] == pytest.approx(times)
            assert loom.statistics().agents["Shy"].status == status
            assert state(loom, "Shy").half == (status == "running")


@virtual_time(seeds=3)
async def test_on_error_hears_of_what_was_given_up_and_may_act_on_it() -> None:
    private = Label(Confidentiality.PRIVATE)

    class Sorry(Agent, retry=ONCE):
        sorry: list[str] = []

        @on("go")
        async def go(self, event: Event) -> None:
            self.sorry.append("never")
            raise ValueError("no")

        async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
            await asyncio.sleep(1)
            self.sorry.append(f"{event.payload} {error}")
            ctx.publish("sorry.told", event.payload)

    async with lawful(Sorry) as (loom, _):
        probe = Probe(loom.bus, "sorry.told")
        for n in range(3):
            await loom.publish("go", n, label=private, thread="t")
        await loom.idle()
        assert state(loom, "Sorry").sorry == ["0 no", "1 no", "2 no"], "idle() waits for on_error too"
        assert {(e.label, e.thread) for e in probe.events} == {(private, "t")}, (
            "what is derived is as private"
        )


@virtual_time(seeds=3)
async def test_an_on_error_that_fails_is_told_and_leaves_nothing() -> None:
    class Worse(Agent, retry=ONCE):
        count: int = 0

        @on("go")
        async def go(self, event: Event) -> None:
            if event.payload:
                raise ValueError
            self.count += 1

        async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
            self.count += 10
            ctx.publish("never")
            raise RuntimeError("worse")

    async with lawful(Worse) as (loom, _):
        probe = Probe(loom.bus, "never")
        await loom.publish("go", 1)
        await loom.publish("go", 0)
        await run_until_idle(loom, 10)
        assert state(loom, "Worse").count == 1
        assert probe.events == []


@virtual_time(seeds=3)
async def test_hooks_never_run_beside_a_handler() -> None:
    inside: list[str] = []
    together: list[tuple[str, ...]] = []

    class Busy(Agent, retry=ONCE, restart=Restart(failures=0)):
        async def alone(self, what: str) -> None:
            inside.append(what)
            if len(inside) > 1:
                together.append(tuple(inside))
            await asyncio.sleep(0.5)
            inside.remove(what)

        @on("go")
        async def go(self, event: Event) -> None:
            if event.payload % 2:
                raise ValueError
            await self.alone("go")

        async def on_error(self, event: Event, error: Exception) -> None:  # type: ignore[override]
            await self.alone("error")

        async def on_stop(self, ctx: Context) -> None:
            await self.alone("stop")

    async with lawful(Busy) as (loom, law):
        for n in range(10):
            await loom.publish("go", n)
        await run_until_idle(loom, 60)
        assert sum(outcome == "committed" for _, _, outcome in law.steps) == 5
    assert together == []


@virtual_time
async def test_an_agent_may_listen_to_what_happens_to_agents_and_fail_without_an_end() -> None:
    class Digger(Agent, retry=ONCE, restart=Restart(failures=0)):
        @on("loom.agent.>")
        async def dig(self, event: Event) -> None:
            raise ValueError

    class Bad(Agent, retry=ONCE):
        @on("go")
        async def go(self, event: Event) -> None:
            raise ValueError

    async with lawful(Digger, Bad) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom, 60)
        assert 10 < loom.statistics().dead_letters < 200


@virtual_time(seeds=3)
async def test_beats_come_in_rhythm_also_after_a_restart_and_end_with_the_agent() -> None:
    class Clock(Agent, retry=ONCE, restart=Restart(failures=1, base=1, jitter=0)):
        beats: list[float] = []

        @every(10)
        async def beat(self, event: Event, ctx: Context) -> None:
            assert event.type == "timer"
            self.beats.append(asyncio.get_running_loop().time())

        @on("go")
        async def go(self) -> None:
            raise ValueError

    async with lawful(Clock) as (loom, _):
        await run_until_idle(loom, 35)
        assert state(loom, "Clock").beats == pytest.approx([10, 20, 30])
        await loom.publish("go")
        await run_until_idle(loom, 20)
        assert state(loom, "Clock").beats == pytest.approx([10, 20, 30, 46]), "the rhythm of the new life"
        assert loom.statistics().timers == 1
    assert loom.statistics().timers == 0


@virtual_time
async def test_a_slow_beat_is_not_queued_twice() -> None:
    class Slow(Agent):
        beats: int = 0

        @every(1)
        async def beat(self, event: Any) -> None:
            await asyncio.sleep(3.5)
            self.beats += 1

    async with lawful(Slow) as (loom, _):
        await asyncio.sleep(20)
        assert loom.agent("Slow").queues()[0].statistics().queued <= 1
        assert state(loom, "Slow").beats == 5
        await loom.stop()
