"""Everything at once, over seeds: failures, retries, restarts, interruptions, requests, timers, cancels, small queues.

Whatever the interleaving: the law of every queue holds at every instant, the system comes to rest, nothing is left.
"""

import asyncio
import contextlib
from random import Random
from typing import Any

import pytest

from loom import Agent, Context, Event, LoomError, QoS, Restart, Retry, action, every, on
from loom.testing import run, run_until_idle
from tests.agent.worlds import lawful

NAMES = ("a", "b", "c")
LANES = "rbgi"


def restless(name: str, chance: Random) -> Any:  # noqa: C901
    """An agent that does a bit of everything."""

    class Restless(
        Agent,
        name=name,
        retry=Retry(attempts=2, base=0.5),
        restart=Restart(failures=2, restarts=99, base=0.5, window=5),
    ):
        count: int = 0

        async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
            await asyncio.sleep(chance.random() / 10)
            self.count += 1

        async def handle(self, event: Event, ctx: Context) -> int | None:
            self.count += 1
            if chance.random() < 0.7:
                await asyncio.sleep(chance.random())
            dice = chance.random()
            if dice < 0.15:
                raise ValueError(dice)
            if dice < 0.3 and event.payload > 0:
                with contextlib.suppress(LoomError):
                    await ctx.request(f"{chance.choice(NAMES)}.b", event.payload - 1, timeout=3)
            elif dice < 0.4:
                await asyncio.gather(ctx.call("act"), ctx.call("act", n=2), return_exceptions=True)
            elif dice < 0.5 and event.scope:
                ctx.cancel("one" if dice < 0.45 else None)
            elif dice < 0.6:
                ctx.after(chance.random() * 3, f"{chance.choice(NAMES)}.b", 0)
            elif dice > 0.8:
                ctx.act("act", n=3)
            for _ in range(chance.randint(0, 2) if event.payload > 0 else 0):
                ctx.publish(f"{chance.choice(NAMES)}.{chance.choice(LANES)}", event.payload - 1)
            return 5 if dice > 0.9 else None

        @on(f"{name}.r", qos=QoS.REALTIME, capacity=3)
        async def urgent(self, event: Event, ctx: Context) -> int | None:
            return await self.handle(event, ctx)

        @on(f"{name}.i", qos=QoS.REALTIME, interrupts=True)
        async def interrupt(self, event: Event, ctx: Context) -> None:
            self.count += 1

        @on(f"{name}.b", capacity=2)
        async def batched(self, event: Event, ctx: Context) -> int | None:
            return await self.handle(event, ctx)

        @on("*.b", capacity=2)
        def also(self, event: Event) -> None:
            self.count += 1

        @on(f"{name}.g", qos=QoS.BACKGROUND, capacity=2)
        async def background(self, event: Event, ctx: Context) -> int | None:
            return await self.handle(event, ctx)

        @every(2.5)
        async def beat(self, event: Event) -> None:
            await asyncio.sleep(0.1)

    return Restless


async def world(seed: int) -> None:
    chance = Random(seed)

    @action("act")
    async def act(n: int = 0) -> None:
        await asyncio.sleep(chance.random())
        if chance.random() < 0.2:
            raise ValueError(n)

    async with lawful(act) as (loom, _):
        loom.add(*(restless(name, chance) for name in NAMES))

        async def publisher() -> None:
            for _ in range(8):
                await asyncio.sleep(chance.random())
                topic = f"{chance.choice(NAMES)}.{chance.choice(LANES)}"
                scope = chance.choice(["one", "two", "one/x", "three", None])
                await loom.publish(topic, chance.randint(0, 3), scope=scope)

        await asyncio.gather(*(publisher() for _ in range(4)))
        loom.cancel("two")
        await run_until_idle(loom, 30)
        services = loom._services
        assert len(services.requests) == 0
        assert {runner.cancelling() for runner in services.scheduler._runners} <= {0}
        for name in NAMES:
            cell = loom.agent(name)
            assert (cell.reason, cell.asking, len(cell.outbox)) == (None, [], 0)
    assert loom.left == 0
    assert loom.statistics().timers == 0


@pytest.mark.parametrize("block", range(4))
def test_whatever_happens_the_law_holds_and_the_system_comes_to_rest(block: int) -> None:
    for seed in range(block * 15, block * 15 + 15):
        try:
            run(world(seed), seed=seed, turns=50_000)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
