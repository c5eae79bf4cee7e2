"""Who is served when: order in a lane, urgency between lanes, slices, interruptions, and nobody starves."""

import asyncio
from collections import defaultdict

from loom import Agent, Context, Event, QoS, Retry, on
from loom.agent import Scheduler
from loom.testing import new_loom, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state

RANKS = {"r": QoS.REALTIME, "b": QoS.BATCHED, "g": QoS.BACKGROUND}


@virtual_time(seeds=15)
async def test_events_of_a_sequential_publisher_are_handled_in_order_in_each_lane() -> None:
    seen: dict[tuple[str, str], list[int]] = defaultdict(list)
    running: list[str] = []
    together: list[int] = []

    class Busy(Agent, retry=Retry(jitter=0)):
        _failed: set[int] = set()

        async def work(self, lane: str, event: Event, ctx: Context) -> None:
            running.append(ctx.agent)
            together.append(running.count(ctx.agent))
            try:
                if ctx.random.random() < 0.7:
                    await asyncio.sleep(ctx.random.random() / 10)
                if lane != "r" and event.payload[1] % 7 == 3 and ctx.attempt == 1:
                    raise ValueError("once")
            finally:
                running.remove(ctx.agent)
            seen[event.payload[0], lane].append(event.payload[1])

        @on("a.*", qos=QoS.REALTIME, capacity=1000)
        async def urgent(self, event: Event, ctx: Context) -> None:
            await self.work("r", event, ctx)

        @on("a.x", capacity=2)
        async def one(self, event: Event, ctx: Context) -> None:
            await self.work("b", event, ctx)

        @on("a.y", capacity=5)
        async def two(self, event: Event, ctx: Context) -> None:
            await self.work("b", event, ctx)

        @on("a.>", qos=QoS.BACKGROUND, capacity=3)
        async def late(self, event: Event, ctx: Context) -> None:
            await self.work("g", event, ctx)

    async with lawful(Busy) as (loom, _):

        async def publisher(name: str) -> None:
            for n in range(20):
                await loom.publish("a.x" if (n * 7) % 3 else "a.y", (name, n))

        await asyncio.gather(*map(publisher, "PQR"))
        await run_until_idle(loom, 60)
        assert loom.dead_letters == []
        assert set(together) == {1}, "one event at a time"
        for name in "PQR":
            for lane in "rbg":
                assert seen[name, lane] == list(range(20)), f"publisher {name}, lane {lane}"


@virtual_time(seeds=10)
async def test_output_of_one_agent_reaches_two_queues_of_a_lane_in_the_order_of_publishing() -> None:
    class Sender(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Context) -> None:
            for n in range(4):
                ctx.publish("a.x" if n % 2 == 0 else "a.y", event.payload * 4 + n)

    class Receiver(Agent):
        seen: list[int] = []

        @on("a.x", capacity=1)
        async def one(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.1)
            self.seen.append(event.payload)

        @on("a.y", capacity=10)
        async def two(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.1)
            self.seen.append(event.payload)

    async with lawful(Sender, Receiver) as (loom, _):
        for n in range(4):
            await loom.publish("go", n)
        await run_until_idle(loom, 10)
        assert state(loom, "Receiver").seen == list(range(16))


@virtual_time(seeds=5)
async def test_a_failing_event_holds_its_lane_and_no_other() -> None:
    order: list[str] = []

    class Held(Agent, retry=Retry(attempts=2, base=10, jitter=0)):
        @on("b")
        async def batched(self, event: Event, ctx: Context) -> None:
            order.append(f"b{event.payload}.{ctx.attempt}")
            if event.payload == 0 and ctx.attempt == 1:
                raise ValueError

        @on("r", qos=QoS.REALTIME)
        async def urgent(self, event: Event) -> None:
            order.append(f"r{event.payload}")

        @on("g", qos=QoS.BACKGROUND)
        async def late(self, event: Event) -> None:
            order.append(f"g{event.payload}")

    async with lawful(Held) as (loom, _):
        for n in range(2):
            await loom.publish("b", n)
        await asyncio.sleep(1)
        for n in range(2):
            await loom.publish("r", n)
            await loom.publish("g", n)
        await asyncio.sleep(1)
        assert order[0] == "b0.1"
        assert sorted(order[1:]) == ["g0", "g1", "r0", "r1"], "nothing of the lane of b0 moves"
        await run_until_idle(loom, 10)
        assert order[5:] == ["b0.2", "b1.1"]


@virtual_time
async def test_the_most_urgent_lane_is_served_first() -> None:
    order: list[str] = []

    class Three(Agent):
        @on("*.g", qos=QoS.BACKGROUND)
        async def late(self, event: Event) -> None:
            order.append("g")

        @on("*.b")
        async def batched(self, event: Event) -> None:
            order.append("b")

        @on("*.r", qos=QoS.REALTIME)
        async def urgent(self, event: Event) -> None:
            order.append("r")

    async with lawful() as (loom, _):
        loom.add(Three, name="one").add(Three, name="two")
        await asyncio.sleep(1)
        for topic in ("x.g", "x.b", "x.r", "x.g", "x.b", "x.r"):
            loom.publish_nowait(topic)
        await run_until_idle(loom)
        assert "".join(order) == "r" * 4 + "b" * 4 + "g" * 4


@virtual_time
async def test_realtime_failures_are_told_once_and_never_tried_again() -> None:
    class Bad(Agent):
        @on("r", qos=QoS.REALTIME)
        async def urgent(self, event: Event) -> None:
            raise ValueError("no")

    async with lawful(Bad) as (loom, law):
        await loom.publish("r")
        await run_until_idle(loom, 60)
        assert [outcome for _, _, outcome in law.steps] == ["failed"]
        assert law.buried == [("Bad", "r", "failed")]


@virtual_time(seeds=3)
async def test_realtime_is_handled_within_a_few_turns_while_background_saturates() -> None:
    """Overload, counted in turns of the scheduler: time on this machine proves nothing."""
    turns: list[int] = []

    class Busy(Agent):
        @on("g", qos=QoS.BACKGROUND)
        async def late(self, event: Event, ctx: Context) -> None:
            ctx.publish("done", event.payload)

    class Urgent(Agent):
        @on("r", qos=QoS.REALTIME)
        async def urgent(self, event: Event) -> None:
            turns.append(loom.statistics().steps - event.payload)

    async with new_loom() as loom:
        for n in range(10):
            loom.add(Busy, name=f"busy{n}")
        loom.add(Urgent)
        for n in range(200):
            loom.offer("g", n)
        for _ in range(100):
            await asyncio.sleep(0)
            loom.offer("r", loom.statistics().steps)
        assert any(q.queued for q in loom.statistics().queues), "the flood is not over"
        await run_until_idle(loom, 1)
        assert len(turns) == 100, "nothing REALTIME is lost"
        assert max(turns) <= 20


@virtual_time
async def test_the_turns_of_a_scheduler_starve_nobody() -> None:
    order: list[int] = []

    async def serve(agent: int, rank: int, scheduler: Scheduler, runner: object) -> None:
        order.append(rank)
        assert agent == rank
        if len(order) < 5000:
            scheduler.ready(agent, rank)

    scheduler = Scheduler(serve)
    for rank in (2, 1, 0):
        scheduler.ready(rank, rank)
    while len(order) < 5000:
        await asyncio.sleep(0)
    shares = {rank: order.count(rank) / len(order) for rank in (0, 1, 2)}
    assert shares[0] > 0.9
    assert shares[1] > 0.02
    assert shares[2] > 0.02
    await scheduler.close()


@virtual_time(seeds=3)
async def test_a_flood_of_realtime_events_does_not_starve_the_agents_other_lanes() -> None:
    order: list[str] = []

    class Flooded(Agent):
        @on("r", qos=QoS.REALTIME)
        async def urgent(self, event: Event, ctx: Context) -> None:
            order.append("r")
            if len(order) < 2000:
                ctx.emit("r")

        @on("b")
        async def batched(self, event: Event) -> None:
            order.append("b")

        @on("g", qos=QoS.BACKGROUND)
        async def late(self, event: Event) -> None:
            order.append("g")

    async with lawful(Flooded) as (loom, _):
        loom.offer("b")
        loom.offer("g")
        while len(order) < 2000:
            for _ in range(10):
                loom.offer("r")
            await asyncio.sleep(0)
        assert order.index("b") < 1000
        assert order.index("g") < 1000


@virtual_time(seeds=3)
async def test_a_handler_that_waits_does_not_keep_others_from_running() -> None:
    done: list[float] = []

    class Waits(Agent):
        @on("go")
        async def go(self, event: Event) -> None:
            await asyncio.sleep(10)
            done.append(asyncio.get_running_loop().time())

    async with lawful() as (loom, _):
        for n in range(200):
            loom.add(Waits, name=f"w{n}")
        await loom.publish("go")
        await run_until_idle(loom)
        assert len(done) == 200
        assert set(done) == {10.0}


@virtual_time(seeds=20)
async def test_the_number_of_handlers_that_wait_is_bounded_and_realtime_goes_beyond_it() -> None:
    now: list[str] = []
    most: list[int] = []

    class Waits(Agent):
        async def wait(self, what: str) -> None:
            now.append(what)
            most.append(now.count("b"))
            await asyncio.sleep(1)
            now.remove(what)

        @on("b")
        async def batched(self, event: Event) -> None:
            await self.wait("b")

        @on("r", qos=QoS.REALTIME)
        async def urgent(self, event: Event) -> None:
            await self.wait("r")

    async with lawful(concurrency=4) as (loom, _):
        for n in range(10):
            loom.add(Waits, name=f"w{n}")
        loom.add(Waits, name="other")
        await asyncio.sleep(0.1)
        await loom.publish("b")
        await asyncio.sleep(0.5)
        assert now.count("b") == 4
        await loom.publish("r")
        await asyncio.sleep(0.1)
        assert now.count("r") == 7, "those that are not in the middle of something"
        await run_until_idle(loom, 20)
        assert max(most) == 4


@virtual_time(seeds=3)
async def test_an_agent_whose_step_used_up_the_slice_still_hears_of_the_next_event() -> None:
    class Heavy(Agent):
        seen: list[int] = []

        @on("go")
        async def go(self, event: Event) -> None:
            loom._services.scheduler.slice_end = -1.0
            self.seen.append(event.payload)

        @on("other", qos=QoS.BACKGROUND)
        async def other(self, event: Event) -> None:
            loom._services.scheduler.slice_end = -1.0
            self.seen.append(-event.payload)

    async with lawful(Heavy) as (loom, _):
        for n in range(1, 6):
            await loom.publish("go", n)
            await loom.idle()
            await loom.publish("other", n)
            await loom.idle()
        assert state(loom, "Heavy").seen == [1, -1, 2, -2, 3, -3, 4, -4, 5, -5]
