"""Somebody interrupts: one cancel takes down a whole turn - what is queued, what runs, what it has caused.

It prints:
    speaking: Once upon a time
    took down the turn: True
    stopped in the middle
    speaking: Yes?
"""

import asyncio

from loom import Loom, QoS, action, on


@action("tts.speak", timeout=60)
async def speak(text: str) -> None:
    print("speaking:", text)
    try:
        await asyncio.sleep(30 if text.startswith("Once") else 0)
    except asyncio.CancelledError:
        print("stopped in the middle")
        raise


@on("user.said")
async def answer(event, ctx):
    if event.payload == "tell me a story":
        for sentence in ("Once upon a time", "there was a loom", "and it never dropped a thread"):
            ctx.act("tts.speak", text=sentence)  # in order, in the scope of the event
    else:
        ctx.act("tts.speak", text="Yes?")


@on("user.barged_in", qos=QoS.REALTIME)
async def hush(event, ctx):
    print("took down the turn:", ctx.cancel(event.payload) > 0)


async def main():
    async with Loom() as loom:
        loom.add(speak, answer, hush)
        await loom.publish("user.said", "tell me a story", scope="turn-1")
        await asyncio.sleep(0.05)
        await loom.publish("user.barged_in", "turn-1")
        await loom.publish("user.said", "hello?", scope="turn-2")
        await loom.idle()


asyncio.run(main())
