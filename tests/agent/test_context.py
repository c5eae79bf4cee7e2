"""What a handler may do: derived events, labels, timers, recent events, grants; agents from functions and instances."""

import asyncio
import datetime as dt
import time
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from loom import Agent, Context, Event, Label, Retry, action, on
from loom.errors import ActionFailed
from loom.event import Confidentiality
from loom.testing import Probe, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state

PRIVATE = Label(Confidentiality.PRIVATE)
UNTRUSTED = Label(untrusted=True)


@virtual_time
async def test_what_is_derived_inherits_thread_scope_and_trace_and_names_its_cause() -> None:
    class Derives(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            ctx.publish("one.two", 1)
            ctx.publish("three", 2, scope="s/part", tags=("x",), type="kind", priority=9)
            ctx.emit("four", 3)

    async with lawful(Derives) as (loom, _):
        probe = Probe(loom.bus, ">")
        first = await loom.publish("go", thread="t", scope="s", trace="tr")
        await run_until_idle(loom)
        four, one, three = probe.events[-3:]
        for event in (four, one, three):
            assert (event.thread, event.trace, event.cause, event.hop) == ("t", "tr", first.id, 1)
            assert event.source == "Derives"
        assert (one.type, one.scope, four.type) == ("two", "s", "four")
        assert (three.type, three.scope, three.tags, three.priority) == ("kind", "s/part", ("x",), 9)


@virtual_time
async def test_labels_join_from_event_state_and_replies_and_never_sink() -> None:
    class Keeper(Agent):
        secret: str = ""

        @on("tell")
        async def tell(self, event: Event, ctx: Context) -> None:
            self.secret = event.payload

        @on("look")
        async def look(self, event: Event, ctx: Context) -> None:
            ctx.publish("out", "nothing")

        @on("more")
        async def more(self, event: Event, ctx: Context) -> None:
            ctx.publish("out", "untrusted", label=UNTRUSTED)
            ctx.publish("out", "low", label=Label())

    class Asks(Agent):
        @on("ask")
        async def ask(self, event: Event, ctx: Context) -> None:
            ctx.publish("asks.before")
            ctx.emit("asks.emit.before")
            await ctx.request("answer")
            ctx.publish("asks.after")
            ctx.emit("asks.emit.after")

    class Secretive(Agent):
        seen: int = 0

        @on("answer")
        async def answer(self, event: Event, ctx: Context) -> str:
            return "private answer"

        @on("learn")
        async def learn(self, event: Event) -> None:
            self.seen += 1

    async with lawful(Keeper, Asks, Secretive) as (loom, _):
        out, asks = Probe(loom.bus, "out"), Probe(loom.bus, "asks.>")
        await loom.publish("look", label=PRIVATE)
        await loom.publish("look")
        await run_until_idle(loom)
        assert [e.label for e in out.events] == [PRIVATE, Label()], (
            "reading alone does not raise the state's label"
        )
        await loom.publish("tell", "s", label=PRIVATE)
        await loom.publish("look")
        await loom.publish("more")
        await run_until_idle(loom)
        assert [e.label for e in out.events[2:]] == [PRIVATE, PRIVATE.join(UNTRUSTED), PRIVATE]
        assert loom.agent("Keeper").label == PRIVATE
        await loom.publish("learn", label=PRIVATE)
        await loom.publish("ask")
        await run_until_idle(loom)
        labels = {e.topic: e.label for e in asks.events}
        assert labels["asks.emit.before"] == labels["asks.before"] == Label()
        assert labels["asks.emit.after"] == labels["asks.after"] == PRIVATE


@virtual_time
async def test_a_label_of_state_outlives_a_failed_step_unchanged() -> None:
    class Fails(Agent, retry=Retry(attempts=1)):
        word: str = ""

        @on("go")
        async def go(self, event: Event) -> None:
            self.word = "x"
            raise ValueError

    async with lawful(Fails) as (loom, _):
        await loom.publish("go", label=PRIVATE)
        await run_until_idle(loom)
        assert loom.agent("Fails").label == Label()


@virtual_time
async def test_timers_fire_once_each_or_at_a_moment_and_can_be_cancelled() -> None:
    class Alarm(Agent):
        beat: str = ""

        @on("set")
        async def set(self, event: Event, ctx: Context) -> None:
            ctx.after(5, "t.after", 1)
            self.beat = ctx.every(10, "t.every", 2)
            ctx.at(ctx.now_ms() + 25_000, "t.at", 3)
            ctx.at(dt.datetime.fromtimestamp(ctx.now_ms() / 1000 + 26, dt.UTC), "t.at", 4)
            cancelled = ctx.after(7, "t.never")
            assert ctx.cancel_timer(cancelled)
            assert not ctx.cancel_timer(cancelled)

        @on("end")
        async def end(self, event: Event, ctx: Context) -> None:
            assert ctx.cancel_timer(self.beat)
            assert not ctx.cancel_timer(self.beat)
            assert not ctx.cancel_timer("unknown")

    async with lawful(Alarm) as (loom, _):
        probe = Probe(loom.bus, "t.*")
        began = asyncio.get_running_loop().time()
        await loom.publish("set", scope="turn", thread="th")
        await run_until_idle(loom, 35)
        assert [(e.type, e.payload) for e in probe.events] == [
            ("after", 1),
            ("every", 2),
            ("every", 2),
            ("at", 3),
            ("at", 4),
            ("every", 2),
        ]
        assert {(e.scope, e.thread) for e in probe.events} == {(None, "th")}
        assert len({e.id for e in probe.events}) == 6
        stamps = [e.timestamp_ms for e in probe.events if e.type == "every"]
        assert [b - a for a, b in pairwise(stamps)] == [10_000, 10_000]
        await loom.publish("end")
        await run_until_idle(loom, 100)
        assert probe.count == 6
        assert loom.statistics().timers == 0
        assert asyncio.get_running_loop().time() == began + 135


@virtual_time
async def test_a_cancelled_timer_goes_on_when_the_step_that_cancelled_it_fails() -> None:
    class Alarm(Agent, retry=Retry(attempts=1)):
        timer: str = ""

        @on("set")
        async def set(self, event: Event, ctx: Context) -> None:
            self.timer = ctx.after(10, "t.after")

        @on("end")
        async def end(self, event: Event, ctx: Context) -> None:
            ctx.cancel_timer(self.timer)
            raise ValueError

    async with lawful(Alarm) as (loom, _):
        probe = Probe(loom.bus, "t.*")
        await loom.publish("set")
        await loom.publish("end")
        await run_until_idle(loom, 20)
        assert probe.count == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ctx: ctx.after(-1, "a"),
        lambda ctx: ctx.after("5", "a"),
        lambda ctx: ctx.after(float("nan"), "a"),
        lambda ctx: ctx.every(0, "a"),
        lambda ctx: ctx.at(dt.datetime(2026, 1, 1), "a"),  # noqa: DTZ001
        lambda ctx: ctx.after(1, "a..b"),
        lambda ctx: ctx.publish("a.*"),
        lambda ctx: ctx.emit("a b"),
        lambda ctx: ctx.publish("a", colour="red"),
        lambda ctx: ctx.act("nobody.provides"),
    ],
)
def test_what_makes_no_sense_fails_in_the_step_not_after_it(wrong: Any) -> None:
    @virtual_time
    async def check() -> None:
        class Wrong(Agent, retry=Retry(attempts=1)):
            @on("go")
            async def go(self, event: Event, ctx: Context) -> None:
                ctx.publish("out")
                wrong(ctx)

        async with lawful(Wrong) as (loom, law):
            probe = Probe(loom.bus, "out")
            await loom.publish("go")
            await run_until_idle(loom, 10)
            assert probe.events == []
            assert [outcome for _, _, outcome in law.steps] == ["failed"]

    check()


@virtual_time
async def test_recent_events_are_a_bounded_window_without_the_present_one() -> None:
    seen: list[list[int]] = []

    class Remembers(Agent, window=2):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            seen.append([e.payload for e in ctx.recent])

    async with lawful(Remembers) as (loom, _):
        for n in range(4):
            await loom.publish("go", n)
        await run_until_idle(loom)
        assert seen == [[], [0], [0, 1], [1, 2]]


@virtual_time
async def test_functions_and_instances_are_agents_too() -> None:
    got: list[Any] = []

    @on("a")
    @on("b")
    async def both(event: Event, ctx: Context) -> None:
        got.append((ctx.agent, event.payload))

    @on("a")
    def plain(event: Event) -> None:
        got.append(event.payload)

    class Room(Agent):
        name: str = ""
        visits: list[int] = []

        @on("a")
        async def visit(self, event: Event) -> None:
            self.visits.append(event.payload)

        @on("a")
        def nothing(self) -> None:
            got.append(self.name)

    async with lawful(both, plain) as (loom, _):
        loom.add(Room(name="hall"), name="hall").add(Room(name="bath", visits=[9]), name="bath")
        await run_until_idle(loom)
        await loom.publish("a", 1)
        await loom.publish("b", 2)
        await run_until_idle(loom)
        assert sorted(map(str, got)) == ["('both', 1)", "('both', 2)", "1", "bath", "hall"]
        assert state(loom, "hall").visits == [1]
        assert state(loom, "bath").visits == [9, 1]


@virtual_time
async def test_grants_limit_what_an_agent_may_act_and_call() -> None:
    done: list[str] = []

    def acting(name: str) -> Any:
        @action(name)
        def act() -> None:
            done.append(name)

        return act

    class Acts(Agent, retry=Retry(attempts=1)):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            if event.payload == "call":
                await ctx.call("lamp.on")
            else:
                ctx.act(event.payload)

    async with lawful(acting("tts.speak"), acting("lamp.on")) as (loom, _):
        loom.add(Acts, grants=["tts.*"])
        for name in ("tts.speak", "lamp.on", "call"):
            await loom.publish("go", name)
        await run_until_idle(loom)
        assert done == ["tts.speak"]
        assert len(loom.dead_letters) == 2
        assert "ActionDenied: 'Acts' is not granted 'lamp.on'" in loom.dead_letters[0].error


@virtual_time
async def test_a_thread_can_do_what_frees_the_gil_and_its_result_is_recorded() -> None:
    ran: list[int] = []

    def work(n: int) -> int:
        ran.append(n)
        time.sleep(0)
        return n * 2

    class Uses(Agent, retry=Retry(jitter=0)):
        got: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.got = await ctx.run(work, event.payload, where="thread")
            if ctx.attempt < 2:
                raise ValueError

    async with lawful(Uses) as (loom, _):
        await loom.publish("go", 21)
        await run_until_idle(loom, 5)
        assert state(loom, "Uses").got == 42
        assert ran == [21]


@virtual_time
async def test_what_an_untrusted_action_gives_makes_the_step_untrusted() -> None:
    @action("web.get", untrusted=True)
    async def get(page: str) -> str:
        if page == "broken":
            raise ActionFailed("what a stranger says has failed")
        return page

    @on("go")
    async def reader(event: Event, ctx: Context) -> None:
        ctx.publish("before")
        if event.payload:
            with suppress(ActionFailed):
                await ctx.call("web.get", page=event.payload)
        ctx.publish("after")

    async with lawful(get, reader) as (loom, _):
        probe = Probe(loom.bus, "after")
        for page in ("", "home", "broken"):
            await loom.publish("go", page)
        await run_until_idle(loom, 5)
        assert [event.label for event in probe.events] == [
            Label(),
            Label(untrusted=True),
            Label(untrusted=True),
        ]
