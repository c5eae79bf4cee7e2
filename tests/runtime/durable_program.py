"""A program with a data folder that tests kill: what it does to the world is a line in a file, appended at once.

Arguments: the data folder, the file, and what to do: `work N`, `rest`, or `refuse` (say no to whatever is asked).
"""

import asyncio
import os
import sys

from loom import Agent, Context, Event, Loom, action, on
from loom.errors import ActionError

FOLDER, FILE, WHAT = sys.argv[1:4]
world = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def do(*words: object) -> None:
    os.write(world, (" ".join(map(str, words)) + "\n").encode())


@action("again", idempotent=True, timeout=60)
async def again(n: int, idempotency_key: str) -> None:
    do("again", n, idempotency_key)
    await asyncio.sleep(0.001)


@action("asked", timeout=60)
async def asked(n: int, idempotency_key: str) -> int:
    do("asked", n, idempotency_key)
    await asyncio.sleep(0.001)
    return n


@action("once", at_most_once=True, timeout=60)
async def once(n: int, idempotency_key: str) -> None:
    do("once", n, idempotency_key)
    await asyncio.sleep(0.001)


@action("bolt", approval="ask", idempotent=True)
async def bolt(n: int, idempotency_key: str) -> None:
    do("bolt", n, idempotency_key)


class Worker(Agent):
    count: int = 0
    total: int = 0

    @on("work")
    async def work(self, event: Event, ctx: Context) -> None:
        n = event.payload
        self.count += 1
        ctx.act("again", n=n)
        ctx.act("once", n=n)
        if n % 3 == 0:
            try:
                self.total += await ctx.call("asked", n=n)
            except ActionError:
                ctx.log("nobody knows whether %s was asked", n)

    @on("bolt")
    async def bolt(self, event: Event, ctx: Context) -> None:
        ctx.act("bolt", n=event.payload)


async def main() -> None:
    async with Loom(data=FOLDER, watchdog=None, drain=30) as loom:
        questions = loom.subscribe("loom.approval.requested", capacity=10_000)
        loom.add(again, asked, once, bolt, Worker)
        if WHAT == "work":
            for n in range(int(sys.argv[4])):
                await loom.publish("work", n, id=f"work-{n}")
                print("acked", n, flush=True)
        if WHAT == "knock":
            await loom.publish("bolt", 1)
        if WHAT in ("knock", "rest", "refuse"):
            answering = asyncio.ensure_future(answer(loom, questions))
        await loom.idle()
        if WHAT in ("knock", "rest", "refuse"):
            answering.cancel()
        worker = loom.agent("Worker").instance
        print("told", worker.count, worker.total, flush=True)


async def answer(loom: Loom, questions: object) -> None:
    async for question in questions:  # type: ignore[attr-defined]
        print("question", question.payload["id"], question.payload.get("why", "approval"), flush=True)
        if WHAT == "refuse":
            loom.approve(question.payload["id"], allow=False, by="test")
        if WHAT == "rest":
            loom.approve(question.payload["id"], by="test")


asyncio.run(main())
