"""State in the middle: an agent that greets the first face it sees and counts the rest.

It prints:
    Hello!
    3 faces
"""

import asyncio

from loom import Agent, Loom, QoS, action, on


@action("tts.speak", timeout=5)
async def speak(text: str) -> None:
    print(text)


class Greeter(Agent):
    """Greets the first face it sees and counts the rest."""

    faces: int = 0  # annotated fields are the persistent state; _names are ephemeral

    @on("camera.*.face", qos=QoS.REALTIME)
    async def greet(self, event, ctx):
        self.faces += 1
        if self.faces == 1:
            ctx.act("tts.speak", text="Hello!")  # leaves when the step commits


async def main():
    async with Loom() as loom:
        loom.add(speak, Greeter)
        for _ in range(3):
            await loom.publish("camera.front.face", {"score": 0.92})
        await loom.idle()
        print(loom.agent("Greeter").instance.faces, "faces")


asyncio.run(main())
