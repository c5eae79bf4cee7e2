"""Shops that are paid: what the tests of at-once calls over a crash share."""

import asyncio
from typing import Any

from loom import Agent, Context, Event, Loom, Retry, action, on
from tests.agent.ledgers import Lives


def pay(world: Lives, seconds: float = 0.0, **options: Any) -> Any:
    @action("pay", **{"timeout": 5000, **options})
    async def pay(amount: int, idempotency_key: str) -> dict[str, Any]:
        world.do("begun", amount, idempotency_key)
        await asyncio.sleep(seconds)
        world.do("paid", amount, idempotency_key)
        return {"receipt": amount, "lines": (1, 2)}

    return pay


def paid(world: Lives) -> list[int]:
    return [what[1] for what in world.done if what[0] == "paid"]


class Shop(Agent, retry=Retry(attempts=2, base=0.01)):
    receipts: list[int] = []

    @on("order")
    async def order(self, event: Event, ctx: Context) -> None:
        receipt = await ctx.call("pay", amount=event.payload)
        assert receipt["lines"] == (1, 2)
        self.receipts.append(receipt["receipt"])
        await self._wait(event.payload)

    async def _wait(self, amount: int) -> None:
        if amount in self._slow:
            await asyncio.sleep(1000)

    _slow: tuple[int, ...] = ()


class SlowShop(Shop, name="Shop"):
    _slow = (1,)


async def idle(loom: Loom) -> list[int]:
    await loom.idle()
    receipts: list[int] = loom.agent("Shop").instance.receipts
    return receipts


def crash(lives: Lives, *amounts: int, seconds: float = 10.0) -> Any:
    async def story(loom: Loom) -> None:
        for amount in amounts or (1,):
            await loom.publish("order", amount)
        await asyncio.sleep(seconds)
        lives.die()

    return story
