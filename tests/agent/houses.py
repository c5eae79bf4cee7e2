"""Houses with lamps: what the tests of acts and their ledger share."""

import asyncio
from typing import Any

from loom import Agent, Context, Event, Loom, action, on
from tests.agent.ledgers import Lives


def lamp(world: Lives, name: str = "lamp.set", seconds: float = 0.0, **options: Any) -> Any:
    """An action that writes down its argument and its key when it has worked for a while."""

    @action(name, **options)
    async def light(n: int, idempotency_key: str) -> int:
        world.do("begun", n)
        await asyncio.sleep(seconds)
        world.do(n, idempotency_key)
        return n * 10

    return light


class House(Agent):
    seen: list[int] = []

    @on("house.evening")
    async def evening(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload)
        ctx.act("lamp.set", n=event.payload)


async def evenings(loom: Loom, numbers: range = range(3)) -> None:
    for n in numbers:
        await loom.publish("house.evening", n)
    await loom.idle()
