"""Rule 5: output waits in bounded outboxes, cycles of full queues are found, and the system always comes to rest."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent, Context, Event, Loom, QoS, on
from loom.event import HOP_LIMIT
from loom.testing import run, run_until_idle, virtual_time
from tests.agent.worlds import Law, lawful


def node(name: str, targets: list[str], capacity: int, handled: list[str], qos: QoS = QoS.BATCHED) -> Any:
    """An agent that passes every event on to its targets until the payload says it is enough."""

    class Node(Agent, name=name):
        @on(f"to.{name}", capacity=capacity, qos=qos)
        async def pass_on(self, event: Event, ctx: Context) -> None:
            handled.append(event.id)
            if ctx.random.random() < 0.3:
                await asyncio.sleep(ctx.random.random())
            if event.payload > 0:
                for target in targets:
                    ctx.publish(f"to.{target}", event.payload - 1)

    return Node


def settled(loom: Loom, law: Law) -> None:
    """Every accepted event ended delivered, every refused one is a dead letter with its reason."""
    queues = loom.statistics().queues
    assert all(q.queued == q.in_flight == q.waiting == 0 for q in queues), queues
    assert all(q.accepted == q.delivered for q in queues)
    for letter in loom.dead_letters:
        assert letter.reason in ("cycle", "hop_limit", "outbox_full")
        if letter.reason == "cycle":
            assert letter.agent in letter.error.partition(": ")[2].split(" -> ")
    assert sum(q.refused for q in queues) == sum(reason != "hop_limit" for _, _, reason in law.buried)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_ring_of_full_queues_comes_to_rest_and_names_its_cycle(size: int) -> None:
    @virtual_time(seeds=8)
    async def check() -> None:
        handled: list[str] = []
        names = [f"n{i}" for i in range(size)]
        async with lawful() as (loom, law):
            for i, name in enumerate(names):
                loom.add(node(name, [names[(i + 1) % size]], 1, handled))

            async def feed(name: str) -> None:
                for _ in range(10):
                    await loom.publish(f"to.{name}", 20)

            await asyncio.gather(*map(feed, names))
            await run_until_idle(loom, 10)
            settled(loom, law)
            cycles = [letter for letter in loom.dead_letters if letter.reason == "cycle"]
            assert cycles, "with every queue full somebody must give way"
            names_of = cycles[0].error.partition(": ")[2].split(" -> ")
            assert names_of[0] == names_of[-1] == cycles[0].agent

    check()


@virtual_time(seeds=8)
async def test_a_ring_with_room_refuses_nothing() -> None:
    handled: list[str] = []
    async with lawful() as (loom, law):
        for i in range(3):
            loom.add(node(f"n{i}", [f"n{(i + 1) % 3}"], 10, handled))
        for n in range(3):
            await loom.publish(f"to.n{n}", 30)
        await run_until_idle(loom, 60)
        settled(loom, law)
        assert len(handled) == 3 * 31
        assert loom.dead_letters == []


TOPOLOGY = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.lists(st.integers(0, n - 1), max_size=3), min_size=n, max_size=n),
        st.lists(st.integers(1, 3), min_size=n, max_size=n),
        st.lists(st.sampled_from([QoS.BATCHED, QoS.BACKGROUND]), min_size=n, max_size=n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, 5)), max_size=12),
        st.integers(0, 1000),
    )
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOPOLOGY)
def test_any_topology_of_any_capacities_comes_to_rest(
    plan: tuple[int, list[list[int]], list[int], list[QoS], list[tuple[int, int]], int],
) -> None:
    size, targets, capacities, qualities, inputs, seed = plan
    handled: list[str] = []

    async def main() -> None:
        async with lawful() as (loom, law):
            for i in range(size):
                loom.add(node(f"n{i}", [f"n{t}" for t in targets[i]], capacities[i], handled, qualities[i]))
            await asyncio.gather(*(loom.publish(f"to.n{i}", depth) for i, depth in inputs))
            await run_until_idle(loom, 60)
            settled(loom, law)
            assert len(handled) == len(set(handled)), "nothing is handled twice"
            assert len(handled) == sum(q.delivered for q in loom.statistics().queues)

    run(main(), seed=seed)


@virtual_time
async def test_a_cascade_ends_at_the_hop_limit_with_the_chain_that_made_it() -> None:
    class Echo(Agent):
        @on("a")
        async def again(self, event: Event, ctx: Context) -> None:
            ctx.publish("a")

    class Shout(Agent):
        @on("b")
        async def again(self, event: Event, ctx: Context) -> None:
            ctx.emit("b")

    async with lawful(Echo, Shout) as (loom, law):
        first = await loom.publish("a")
        await loom.publish("b")
        await run_until_idle(loom, 1)
        assert sorted(law.buried) == [("Echo", "a", "hop_limit"), ("Shout", "b", "hop_limit")]
        letter = next(letter for letter in loom.dead_letters if letter.agent == "Echo")
        assert letter.event.hop == HOP_LIMIT + 1
        assert len(letter.chain) == HOP_LIMIT + 2
        assert letter.chain[0] == ("a", first.id)
        assert letter.chain[-1] == ("a", letter.event.id)


@virtual_time
async def test_what_happens_after_a_time_is_no_cascade() -> None:
    beats: list[int] = []

    class Heart(Agent):
        @on("beat")
        async def beat(self, event: Event, ctx: Context) -> None:
            beats.append(event.hop)
            if len(beats) < 200:
                ctx.after(60, "beat")

    async with lawful(Heart) as (loom, _):
        await loom.publish("beat")
        await run_until_idle(loom, 60 * 250)
        assert beats == [0] * 200
        assert loom.dead_letters == []


@virtual_time(seeds=5)
async def test_while_output_waits_the_agent_takes_only_realtime() -> None:
    order: list[str] = []

    class Fast(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            order.append(f"go{event.payload}")
            ctx.publish("slow", event.payload)

        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event) -> None:
            order.append("now")

    class Slow(Agent):
        @on("slow", capacity=1)
        async def slow(self, event: Event) -> None:
            await asyncio.sleep(10)
            order.append(f"slow{event.payload}")

    async with lawful(Fast, Slow) as (loom, _):
        for n in range(5):
            await loom.publish("go", n)
        await asyncio.sleep(1)
        assert order == ["go0", "go1", "go2"], "one is handled, one queued, one waits in the outbox"
        assert loom.statistics().agents["Fast"].waiting_output == 1
        await loom.publish("now")
        await asyncio.sleep(1)
        assert order[-1] == "now"
        await run_until_idle(loom, 60)
        assert [o for o in order if o.startswith("slow")] == [f"slow{n}" for n in range(5)]


@virtual_time(seeds=5)
async def test_output_for_a_group_goes_to_whichever_member_has_room_first() -> None:
    class Member(Agent):
        seen: list[int] = []

        @on("task", group="workers", capacity=1)
        async def task(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(1 if ctx.agent == "fast" else 1000)
            self.seen.append(event.payload)

    class Sender(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            for n in range(10):
                ctx.publish("task", n)

    async with lawful(Sender) as (loom, _):
        loom.add(Member, name="slow").add(Member, name="fast")
        await loom.publish("go")
        await asyncio.sleep(60)
        assert loom.statistics().agents["Sender"].waiting_output == 0
        assert len(loom.agent("fast").instance.seen) >= 7  # type: ignore[attr-defined]
        await run_until_idle(loom, 5000)
        seen = [loom.agent(name).instance.seen for name in ("slow", "fast")]  # type: ignore[attr-defined]
        assert sorted(seen[0] + seen[1]) == list(range(10))


@virtual_time
async def test_the_outbox_is_bounded_even_for_realtime() -> None:
    class Flood(Agent, outbox=3):
        @on("now", qos=QoS.REALTIME, capacity=100)
        async def now(self, event: Event, ctx: Context) -> None:
            ctx.publish("slow", event.payload)

    class Slow(Agent):
        seen: list[int] = []

        @on("slow", capacity=1)
        async def slow(self, event: Event) -> None:
            await asyncio.sleep(10)
            self.seen.append(event.payload)

    async with lawful(Flood, Slow) as (loom, law):
        for n in range(20):
            loom.offer("now", n)
            await asyncio.sleep(0.01)
        assert loom.statistics().agents["Flood"].waiting_output == 3
        await run_until_idle(loom, 100)
        assert loom.agent("Slow").instance.seen == [0, 1, 2, 3, 4]  # type: ignore[attr-defined]
        assert [reason for _, _, reason in law.buried] == ["outbox_full"] * 15


@virtual_time
async def test_acts_wait_in_the_outbox_when_the_executor_is_full_and_are_bounded_too() -> None:
    from loom import action

    done: list[int] = []

    @action("slow", timeout=1000)
    async def slow(n: int) -> None:
        await asyncio.sleep(10)
        done.append(n)

    class Actor(Agent, outbox=2):
        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event, ctx: Context) -> None:
            ctx.act("slow", n=event.payload)

    async with lawful(slow, Actor) as (loom, law):
        loom._services.executor.capacity = 1
        for n in range(5):
            loom.offer("now", n)
            await asyncio.sleep(0.01)
        await run_until_idle(loom, 100)
        assert done == [0, 1, 2]
        assert [reason for _, _, reason in law.buried] == ["outbox_full"] * 2
