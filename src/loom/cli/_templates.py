"""The files of a new project; {name} is what it is called."""

from __future__ import annotations

TOML = """\
# What runs. `loom run --check` says whether it could; code is looked for in this folder only.
[loom]
name = "{name}"
drain = 10                      # seconds that accepted work may take after Ctrl-C

[sources.door]
use = "agents:door"             # the name in agents.py; or a built-in: "camera"

[actions.speak]
use = "agents:speak"

[agents.greeter]
use = "agents:Greeter"
grants = ["tts.*"]              # the actions it may use; without this line: none
"""

AGENTS = '''\
"""The agents of {name}: events in, state in the middle, actions out."""

import asyncio

from loom import Agent, QoS, action, on, source


@source("door")
async def door(out):
    """Something happens: here every three seconds, in your project when a sensor says so."""
    while True:
        await out("door.front.opened", {{"by": "sensor"}})
        await asyncio.sleep(3)


@action("tts.speak", timeout=5)
async def speak(text: str) -> None:
    """Do something in the world."""
    print(text, flush=True)


class Greeter(Agent):
    """Greets the first visitor and counts the rest."""

    visitors: int = 0  # annotated fields are the state; a step that fails leaves them as they were

    @on("door.*.opened", qos=QoS.REALTIME)
    async def greet(self, event, ctx):
        self.visitors += 1
        text = "Hello!" if self.visitors == 1 else f"Hello, visitor {{self.visitors}}!"
        ctx.act("tts.speak", text=text)  # leaves when the step commits
'''

TEST = '''\
"""Run with pytest. The time is virtual: an hour costs nothing, and nothing sleeps."""

from agents import Greeter

from loom import action
from loom.testing import new_loom, run_until_idle, virtual_time


@virtual_time
async def test_each_visitor_is_counted_and_greeted():
    spoken = []

    @action("tts.speak")
    async def speak(text: str) -> None:
        spoken.append(text)

    async with new_loom(speak, Greeter) as loom:
        await loom.publish("door.front.opened", {{"by": "test"}})
        await loom.publish("door.back.opened", {{"by": "test"}})
        await run_until_idle(loom)

        assert spoken == ["Hello!", "Hello, visitor 2!"]
        assert loom.agent("Greeter").instance.visitors == 2
'''

README = """\
# {name}

A Loom project: agents that run all the time.

    loom run            # until Ctrl-C, which drains
    loom top            # in another terminal: what it is doing
    loom run --check    # only says whether it could run
    pytest              # the tests

`loom.toml` says what runs, `agents.py` what it does.
"""

FILES = {"loom.toml": TOML, "agents.py": AGENTS, "test_agents.py": TEST, "README.md": README}
