"""A contract net: a task goes to whoever bids least for it, and to the next one when that one fails.

It prints:
    hoover is stuck under the sofa
    mop has cleaned the kitchen
    done by mop: clean
"""

import asyncio
import logging

from loom import Loom, Retry, on
from loom.teams import Contractor, contract_net


class Robot(Contractor, team="cleaning", retry=Retry(attempts=1)):
    """Bids the way it has to go."""

    metres: float = 0.0
    stuck: bool = False

    async def offer(self, task, ctx):
        return self.metres if task["room"] == "kitchen" else None  # None: it does not bid

    async def work(self, task, ctx):
        if self.stuck:
            print(ctx.agent, "is stuck under the sofa")
            raise RuntimeError("stuck")
        print(ctx.agent, "has cleaned the", task["room"])
        return "clean"


@on("team.cleaning.done")
async def finish(event, ctx):
    print(f"done by {event.payload['bidder']}: {event.payload['result']}")


async def main():
    async with Loom() as loom:
        loom.add(contract_net("cleaning", deadline=0.05), finish)
        loom.add(Robot(metres=2, stuck=True), name="hoover").add(Robot(metres=5), name="mop")
        await loom.publish("team.cleaning.task", {"room": "kitchen"})
        await asyncio.sleep(0.2)
        await loom.idle()


logging.getLogger("loom").setLevel(logging.CRITICAL)  # the failure is logged as an error
asyncio.run(main())
