"""Agents ask agents: one answer, or the first k of many; and a question that would wait for itself is refused.

It prints:
    kitchen says 21 degrees
    two of three rooms: ['bath', 'hall']
    Deadlock: a request on 'ask.mirror' would wait for itself
"""

import asyncio

from loom import Agent, Loom, on
from loom.errors import Deadlock


def room(name, degrees, seconds):
    @on("house.temperature")
    async def thermometer(event, ctx):
        await asyncio.sleep(seconds)
        return {"room": name, "degrees": degrees}  # a returned value is the reply

    return thermometer


class Butler(Agent):
    @on("ask.butler")
    async def ask(self, event, ctx):
        reply = await ctx.request("kitchen.temperature", timeout=1)
        print(f"kitchen says {reply.payload} degrees")
        fastest = await ctx.gather("house.temperature", k=2, timeout=1)
        print("two of three rooms:", sorted(answer.payload["room"] for answer in fastest))

    @on("ask.mirror")
    async def mirror(self, event, ctx):
        try:
            await ctx.request("ask.mirror")
        except Deadlock as error:
            print("Deadlock:", str(error).partition(":")[0])


@on("kitchen.temperature")
async def kitchen(event, ctx):
    return 21


async def main():
    async with Loom() as loom:
        loom.add(Butler, kitchen)
        for name, seconds in (("bath", 0.0), ("hall", 0.01), ("cellar", 0.5)):
            loom.add(room(name, 19, seconds), name=name)
        await loom.publish("ask.butler")
        await loom.publish("ask.mirror")
        await loom.idle()


asyncio.run(main())
