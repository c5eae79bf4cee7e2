"""Frames that nobody keeps up with: a REALTIME agent with overflow="latest" sees the newest, the rest is counted.

It prints:
    saw frame 0
    saw frame 99
    98 merged into newer ones, none lost without a count: True
"""

import asyncio

from loom import Loom, QoS, on


@on("camera.frame", qos=QoS.REALTIME, overflow="latest")
async def look(event, ctx):
    print("saw frame", event.payload)
    await asyncio.sleep(0.05)


async def main():
    async with Loom() as loom:
        loom.add(look)
        await loom.publish("camera.frame", 0)
        await asyncio.sleep(0.01)  # now it looks at the first one
        for number in range(1, 100):
            await loom.publish("camera.frame", number)  # REALTIME never makes a publisher wait
        await loom.idle()
        [queue] = loom.statistics().queues
        print(f"{queue.merged} merged into newer ones, none lost without a count: {queue.balanced()}")


asyncio.run(main())
