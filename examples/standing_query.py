"""Standing queries: an agent says what it waits for, over several events and time, and is called when it has happened.

It prints:
    5 s: somebody came in
    605 s: the door has been open for ten minutes
    1005 s: the freezer in the cellar is too warm
"""

import asyncio

from loom import Agent
from loom.queries import absence, held, sequence, when
from loom.testing import new_loom, run, run_until_idle


def say(text):
    print(f"{asyncio.get_running_loop().time():.0f} s: {text}")


class House(Agent):
    @when(sequence("door.opened", "motion.hall", within=10))
    async def come_in(self, event, ctx):
        say("somebody came in")

    @when(absence("door.opened", "door.closed", within=600))
    async def left_open(self, event, ctx):
        say("the door has been open for ten minutes")

    @when(held("freezer.*", "payload.temp > -10", seconds=300, by="topic.1"))
    async def warm(self, event, ctx):
        say(f"the freezer in the {event.payload['key']} is too warm")


async def main():
    async with new_loom(House) as loom:  # virtual time: the hour costs nothing
        await run_until_idle(loom, 5)
        await loom.publish("door.opened")
        await loom.publish("motion.hall")
        await run_until_idle(loom, 700)
        for temp in (-18, -9, -9, -8):
            await loom.publish("freezer.cellar", {"temp": temp})
            await loom.publish("freezer.kitchen", {"temp": -18})
            await run_until_idle(loom, 0 if temp == -18 else 100)
        await run_until_idle(loom, 3600)


run(main())
