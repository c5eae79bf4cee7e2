"""A model that uses actions: it chooses, the agent's grants and approvals decide, and the answer has a type.

It prints:
    hall on
    Report(done=['hall'], failed=['cellar'])
"""

import asyncio
import json
from dataclasses import dataclass

from loom import Agent, Loom, action, on
from loom.testing import FakeBackend


@dataclass
class Report:
    done: list[str]
    failed: list[str]


@action("light.set")
async def set_light(room: str, on: bool) -> str:
    """Switch the light of a room."""
    if room == "cellar":
        raise RuntimeError("the bulb is broken")
    print(room, "on" if on else "off")
    return "done"


def model(request):
    """In the place of a real one: loom.local_model("llama"), or a [models.X] with use = "openai"."""
    rooms = ["hall", "cellar"]
    told = [message["content"] for message in request.input if message["role"] == "tool"]
    if not told:
        calls = [{"name": "light_set", "arguments": {"room": room, "on": True}} for room in rooms]
        return {"text": "", "tool_calls": calls}
    answer = {"done": [], "failed": []}
    for room, result in zip(rooms, told, strict=True):
        answer["done" if result == "done" else "failed"].append(room)
    return {"text": json.dumps(answer)}


class Butler(Agent):
    @on("user.said")
    async def listen(self, event, ctx):
        print(await ctx.ask(event.payload, actions=["light.*"], max_steps=5, schema=Report))


async def main():
    async with Loom().add_model(FakeBackend("chat", model)) as loom:
        loom.add(set_light).add(Butler, grants=["light.*"])
        await loom.publish("user.said", "light in the hall and the cellar, please")
        await loom.idle()


asyncio.run(main())
