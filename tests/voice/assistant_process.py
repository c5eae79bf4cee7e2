"""An assistant in a process that is going to be killed: told what was heard on standard input, prints what it says."""

import asyncio
import sys
from typing import Any

from loom import Agent, Loom, action, on
from loom.testing import FakeBackend
from loom.voice import Mind, Mouth, Turns
from tests.voice.room import chat, classify, speak


@action("speaker.play")
async def play(pcm: bytes, rate: int) -> None:
    """In no time."""


@action("speaker.hold", idempotent=True)
async def hold() -> None:
    """Nothing sounds."""


@action("speaker.resume", idempotent=True)
async def resume() -> None:
    """Nothing sounds."""


class Witness(Agent):
    """Prints what the assistant says, and which timers it knows when it is asked."""

    @on("voice.say", durable=False)
    async def say(self, event: Any) -> None:
        print("said", event.payload["text"], flush=True)


async def main(folder: str) -> None:
    async with Loom(data=folder) as loom:
        loom.add(play, hold, resume, Turns, Mind, Mouth, Witness)
        for task, answers in {"speak": speak, "chat": chat, "classify": classify}.items():
            loom.add_model(FakeBackend(task, answers, name=task))
        print("ready", flush=True)
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        number = 0
        while line := await reader.readline():
            number += 1
            heard = {
                "speech": f"mic.a#{number}",
                "text": line.decode().strip(),
                "woken": True,
                "confidence": 1.0,
            }
            await loom.publish("voice.heard", {**heard, "ended_ms": loom.clock.now_ms()})


asyncio.run(main(sys.argv[1]))
