"""Rule 10: a cancelled scope is taken down, that one alone, and what it never did leaves no trace."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent, Context, Event, Loom, QoS, Retry, action, on
from loom.event.scope import within
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state

# --- one thing at a time ----------------------------------------------------------------------------------------------


class Worker(Agent, retry=Retry(attempts=3, base=10, jitter=0)):
    done: list[Any] = []

    @on("work")
    async def work(self, event: Event, ctx: Context) -> None:
        if event.payload == "fails" and ctx.attempt == 1:
            raise ValueError
        await asyncio.sleep(10)
        self.done.append(event.payload)
        ctx.publish("out", event.payload)


@virtual_time(seeds=5)
async def test_queued_running_and_waiting_for_a_retry_all_end_and_only_in_the_scope() -> None:
    async with lawful(Worker) as (loom, _):
        probe = Probe(loom.bus, "out")
        await loom.publish("work", "fails", scope="turn")
        for n, scope in enumerate(["turn/a", "turn", "turning", None, "other", "turn/a/b"]):
            await loom.publish("work", n, scope=scope)
        await asyncio.sleep(1)
        assert loom.cancel("turn") == 4, "the retry and three that are queued"
        await asyncio.sleep(1)
        assert loom.cancel("other") == 1
        await run_until_idle(loom, 100)
        assert state(loom, "Worker").done == [2, 3]
        assert probe.payloads == [2, 3]
        assert loom.dead_letters == []
        (queue,) = [q for q in loom.statistics().queues if q.name == "Worker.work"]
        assert (queue.delivered, queue.cancelled) == (2, 5)
        assert loom.cancel("turn") == 0


@virtual_time(seeds=5)
async def test_an_event_that_comes_later_in_a_cancelled_scope_is_not_handled() -> None:
    async with lawful(Worker) as (loom, _):
        loom.cancel("turn")
        await loom.publish("work", 1, scope="turn/x")
        await loom.publish("work", 2, scope="fresh")
        await run_until_idle(loom, 50)
        assert state(loom, "Worker").done == [2]


@virtual_time(seeds=5)
async def test_a_handler_can_cancel_its_own_scope_and_then_leaves_nothing() -> None:
    class Suicidal(Agent):
        count: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.count += 1
            ctx.publish("out")
            ctx.cancel()
            await asyncio.sleep(1)
            ctx.emit("out")
            if event.payload:
                raise ValueError
            await ctx.call("never")

        @on("plain")
        def plain(self, event: Event, ctx: Context) -> None:
            self.count += 1
            ctx.cancel()

    @action("never")
    def never() -> None:
        raise AssertionError

    async with lawful(Suicidal, Worker, never) as (loom, law):
        probe = Probe(loom.bus, "out")
        await loom.publish("go", scope="a")
        await loom.publish("go", "raises", scope="b")
        await loom.publish("plain", scope="c")
        await loom.publish("work", "other", scope="d")
        await run_until_idle(loom, 60)
        assert state(loom, "Suicidal").count == 0
        assert probe.payloads == ["other"], "nobody else's step was hit"
        assert loom.dead_letters == []
        assert [o for a, _, o in law.steps if a == "Suicidal"] == ["cancelled"] * 3


@virtual_time(seeds=5)
async def test_a_step_cancelled_by_another_agent_ends_at_its_next_await() -> None:
    class Boss(Agent):
        @on("stop", qos=QoS.REALTIME)
        async def stop(self, event: Event, ctx: Context) -> None:
            ctx.cancel("turn")

    async with lawful(Worker, Boss) as (loom, law):
        await loom.publish("work", 1, scope="turn")
        await asyncio.sleep(3)
        await loom.publish("stop")
        await run_until_idle(loom, 60)
        assert state(loom, "Worker").done == []
        assert ("Worker", "work", "cancelled") in law.steps
        assert {r.cancelling() for r in loom._services.scheduler._runners} == {0}


@virtual_time
async def test_ctx_cancel_without_a_scope_is_an_error() -> None:
    class Lost(Agent, retry=Retry(attempts=1)):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            ctx.cancel()

    async with lawful(Lost) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom)
        assert loom.dead_letters[0].error.startswith("ConfigError: cancel() needs a scope")


@virtual_time(seeds=5)
async def test_output_that_waits_for_room_ends_cancelled() -> None:
    class Sender(Agent):
        sent: int = 0

        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            self.sent += 1
            for n in range(3):
                ctx.publish("slow", n)

    class Slow(Agent):
        seen: list[Any] = []

        @on("slow", capacity=1)
        async def slow(self, event: Event) -> None:
            await asyncio.sleep(10)
            self.seen.append((event.scope, event.payload))

    async with lawful(Sender, Slow) as (loom, _):
        await loom.publish("go", scope="turn")
        await loom.publish("go", scope="else")
        await asyncio.sleep(1)
        assert loom.statistics().agents["Sender"].waiting_output == 1
        loom.cancel("turn")
        await run_until_idle(loom, 100)
        assert state(loom, "Sender").sent == 2, "a commit is not taken back"
        assert state(loom, "Slow").seen == [("else", 0), ("else", 1), ("else", 2)]


@virtual_time(seeds=5)
async def test_actions_end_with_the_scope_unless_they_must_finish_and_timers_escape() -> None:
    log: list[str] = []

    def acting(name: str, **options: Any) -> Any:
        @action(name, **options)
        async def act(n: int = 0) -> None:
            await asyncio.sleep(10)
            log.append(f"{name} {n}")

        return act

    class Actor(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            for n in range(2):
                ctx.act("soft", n=n)
                ctx.act("hard", n=n)
            ctx.after(30, "later")

        @on("later")
        async def later(self, event: Event) -> None:
            log.append(f"timer {event.scope}")

    async with lawful(acting("soft"), acting("hard", interruptible=False), Actor) as (loom, _):
        await loom.publish("go", scope="turn")
        await asyncio.sleep(1)
        loom.cancel("turn")
        await run_until_idle(loom, 60)
        assert log == ["hard 0", "timer None"]


# --- everything at once -----------------------------------------------------------------------------------------------

SCOPES = ("x", "x/y", "z", None)


class Stage(Agent, retry=Retry(attempts=2, base=0.5, jitter=0)):
    """One of a chain: waits, writes down what it saw, passes it on, sometimes fails once."""

    seen: list[tuple[int, str]] = []
    _next: str = ""

    async def handle(self, lane: str, event: Event, ctx: Context) -> None:
        number, waits, fails, _ = event.payload
        active.append((event.scope, ctx.agent))
        try:
            await asyncio.sleep(waits)
            if fails and ctx.attempt == 1 and ctx.door.queue.qos is not QoS.REALTIME:
                raise ValueError
            if any(within(event.scope, dead) for dead in cancelled):
                ran_on.append(event)
            self.seen.append((number, lane))
            ctx.publish(f"{self._next}.{lane}", event.payload)
            ctx.act("note", number=number)
            ctx.after(5, "timer.fired", number)
        finally:
            active.remove((event.scope, ctx.agent))


active: list[tuple[str | None, str]] = []
cancelled: list[str] = []
ran_on: list[Event] = []


def stage(name: str, following: str, capacity: int) -> Any:
    class One(Stage, name=name):
        _next = following

        @on(f"{name}.b", capacity=capacity)
        async def batched(self, event: Event, ctx: Context) -> None:
            await self.handle("b", event, ctx)

        @on(f"{name}.g", capacity=capacity, qos=QoS.BACKGROUND)
        async def background(self, event: Event, ctx: Context) -> None:
            await self.handle("g", event, ctx)

    return One


PLAN = st.lists(
    st.tuples(
        st.sampled_from(SCOPES),
        st.sampled_from("bg"),
        st.floats(0, 2, allow_nan=False).map(lambda x: round(x, 2)),
        st.booleans(),
        st.floats(0, 3, allow_nan=False).map(lambda x: round(x, 2)),
    ),
    min_size=1,
    max_size=10,
)


async def world(plan: list[Any], cancels: list[tuple[str, float]], capacity: int) -> dict[str, Any]:
    """Run the plan; returns what is left in the end, by number of the event."""
    active.clear()
    cancelled.clear()
    ran_on.clear()
    notes: list[int] = []

    @action("note")
    async def note(number: int) -> None:
        await asyncio.sleep(0.3)
        notes.append(number)

    async with lawful(note, stage("one", "two", capacity), stage("two", "end", capacity)) as (loom, law):
        timers = Probe(loom.bus, "timer.fired")
        loop = asyncio.get_running_loop()

        async def publisher(number: int, step: Any) -> None:
            scope, lane, waits, fails, when = step
            await asyncio.sleep(when)
            await loom.publish(f"one.{lane}", (number, waits, fails, scope), scope=scope)

        def cancel(scope: str) -> None:
            loom.cancel(scope)
            cancelled.append(scope)
            law.check()

        for scope, when in cancels:
            loop.call_later(when, cancel, scope)
        await asyncio.gather(*(publisher(n, step) for n, step in enumerate(plan)))
        await run_until_idle(loom, 120)
        assert active == []
        assert ran_on == [], "a step went on after its scope was cancelled"
        assert loom.dead_letters == []
        assert all(q.queued == q.in_flight == q.waiting == 0 for q in loom.statistics().queues)
        return {
            "one": state(loom, "one").seen,
            "two": state(loom, "two").seen,
            "notes": notes,
            "timers": timers.payloads,
        }


def of(numbers: set[int], left: dict[str, Any]) -> dict[str, list[Any]]:
    """What is left of these events alone, in a comparable form."""
    pick = lambda item: (item[0] if isinstance(item, tuple) else item) in numbers  # noqa: E731
    return {name: sorted(filter(pick, items)) for name, items in left.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    PLAN,
    st.lists(st.tuples(st.sampled_from(["x", "x/y", "z"]), st.floats(0, 8, allow_nan=False)), max_size=3),
    st.integers(1, 3),
    st.integers(0, 1000),
)
def test_only_the_scope_is_hit_and_nothing_of_it_runs_afterwards(
    plan: list[Any], cancels: list[tuple[str, float]], capacity: int, seed: int
) -> None:
    left = run(world(plan, cancels, capacity), seed=seed)
    untouched = {n for n, s in enumerate(plan) if not any(within(s[0], scope) for scope, _ in cancels)}
    both = {n: [(n, plan[n][1])] for n in untouched}
    for n, seen in both.items():
        assert of({n}, left) == {"one": seen, "two": seen, "notes": [n, n], "timers": [n, n]}
    for number in range(len(plan)):
        mine = of({number}, left)
        assert len(mine["two"]) <= len(mine["one"]) <= 1, "never twice, never without its cause"
        assert len(mine["timers"]) == len(mine["one"]) + len(mine["two"]), (
            "timers escape, and only of what committed"
        )
        assert len(mine["notes"]) <= len(mine["timers"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PLAN, st.sampled_from(["x", "z"]), st.integers(1, 3), st.integers(0, 1000))
def test_cancelling_before_anything_is_handled_equals_never_publishing(
    plan: list[Any], scope: str, capacity: int, seed: int
) -> None:
    inside = [within(step[0], scope) for step in plan]
    cancelled_run = run(world(plan, [(scope, 0.0)], capacity), seed=seed)
    without = {n for n, hit in enumerate(inside) if not hit}
    reference = run(
        world([s for s, hit in zip(plan, inside, strict=True) if not hit], [], capacity), seed=seed
    )
    renumbered = {old: new for new, old in enumerate(sorted(without))}
    assert of(set(range(len(plan))) - without, cancelled_run) == {
        "one": [],
        "two": [],
        "notes": [],
        "timers": [],
    }
    mine = of(without, cancelled_run)
    theirs = of(set(renumbered.values()), reference)
    assert sorted(renumbered[n] for n in mine["notes"]) == theirs["notes"]
    assert sorted((renumbered[n], lane) for n, lane in mine["one"]) == theirs["one"]
    assert sorted((renumbered[n], lane) for n, lane in mine["two"]) == theirs["two"]


@pytest.mark.parametrize("when", [0.0, 0.5, 1.0, 1.5])
def test_cancelling_at_the_very_moment_a_step_ends_either_cancels_or_commits_it(when: float) -> None:
    @virtual_time(seeds=20)
    async def check() -> None:
        class Exact(Agent):
            done: int = 0

            @on("go")
            async def go(self, event: Event, ctx: Context) -> None:
                await asyncio.sleep(1)
                self.done += 1
                ctx.publish("out")

        async with new_loom(Exact) as loom:
            probe = Probe(loom.bus, "out")
            asyncio.get_running_loop().call_later(when, loom.cancel, "turn")
            await loom.publish("go", scope="turn")
            await loom.publish("go", scope="else")
            await run_until_idle(loom, 20)
            assert_whole(loom, probe)

    def assert_whole(loom: Loom, probe: Probe) -> None:
        counts = loom.statistics().agents["Exact"]
        assert counts.committed + counts.cancelled in (1, 2)
        assert state(loom, "Exact").done == counts.committed
        assert {e.scope for e in probe.events} <= {"turn", "else"}
        assert "else" in {e.scope for e in probe.events}
        assert loom.agent("Exact").reason is None
        assert {r.cancelling() for r in loom._services.scheduler._runners} == {0}

    check()
