"""No queue is unbounded: a publisher waits for a slow agent, is told that it waited too long, or is refused.

It prints:
    waited for room: no more than 2 were ever queued
    Overloaded: batched queue of 'Slow.work' stayed full for 0.01 s (2 events)
    offered to 0 queues
    20 handled, 2 refused, the books balance: True
"""

import asyncio

from loom import Agent, Loom, on
from loom.errors import Overloaded


class Slow(Agent):
    done: int = 0

    @on("work.item", capacity=2)
    async def work(self, event, ctx):
        await asyncio.sleep(event.payload)
        self.done += 1


async def main():
    async with Loom() as loom:
        loom.add(Slow)
        [queue] = loom.bus.queues()
        depth = 0
        for _ in range(17):
            await loom.publish("work.item", 0.001)  # waits while the queue is full
            depth = max(depth, len(queue))
        print("waited for room: no more than", depth, "were ever queued")

        await loom.idle()
        for _ in range(3):
            await loom.publish("work.item", 0.2)
        try:
            await loom.publish("work.item", 0.2, timeout=0.01)  # gives up after ten milliseconds
        except Overloaded as error:
            print("Overloaded:", str(error).partition(";")[0])
        print("offered to", loom.offer("work.item", 0.2), "queues")  # never waits

        await loom.idle()
        counts = queue.statistics()
        print(f"{counts.delivered} handled, {counts.refused} refused, the books balance: {counts.balanced()}")


asyncio.run(main())
