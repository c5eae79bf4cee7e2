"""Virtual time: a test of what happens after an hour takes no time, and the same seed gives the same run.

It prints:
    0 s: the milk is on the stove
    3600 s: the milk has been on the stove for an hour
"""

import asyncio

from loom import Agent, action, on
from loom.testing import new_loom, run, run_until_idle


@action("tts.speak")
async def speak(text: str) -> None:
    print(f"{asyncio.get_running_loop().time():.0f} s: {text}")


class Kitchen(Agent):
    boiling: bool = False

    @on("stove.milk")
    async def put(self, event, ctx):
        self.boiling = True
        ctx.act("tts.speak", text="the milk is on the stove")
        ctx.after(3600, "stove.forgotten")

    @on("stove.forgotten")
    async def remind(self, event, ctx):
        if self.boiling:
            ctx.act("tts.speak", text="the milk has been on the stove for an hour")


async def main():
    async with new_loom(speak, Kitchen) as loom:
        await loom.publish("stove.milk")
        await run_until_idle(loom, seconds=3600)


run(main(), seed=1)
