"""A process that is killed while a model uses tools: run as ``python -m tests.agent.tool_life FOLDER WHERE``.

It appends a line to ``done`` for each effect and to ``asked`` for each request of the model, says READY on standard
output where it is to be killed ("tool", after the effect and before the tool has returned, or "model", when the model
is asked for the second time), and waits there. With WHERE "" it goes to the end and writes the answer to ``answer``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from loom import Agent, Context, Event, Loom, action, on
from tests.agent.lights import Script, calls, says, use


def main(folder: Path, where: str) -> None:
    def note(name: str, what: str) -> int:
        with (folder / name).open("a") as file:
            file.write(f"{what}\n")
        return len((folder / name).read_text().splitlines())

    async def here() -> None:
        print("READY", flush=True)
        await asyncio.sleep(1000)

    @action("mail.send", timeout=2000)
    async def send(to: str) -> str:
        note("done", to)
        if where == "tool":
            await here()
        return f"sent to {to}"

    async def model(request: Any) -> Any:
        note("asked", str(request.input[-1]["content"]))
        if request.input[-1]["role"] == "tool":
            if where == "model":
                await here()
            return says("I have written to Ada.")
        return calls(use("mail.send", to="ada"))

    class Clerk(Agent):
        @on("ask", durable=True)
        async def asked(self, event: Event, ctx: Context) -> None:
            answer = await ctx.ask(event.payload, actions=["mail.*"])
            (folder / "answer").write_text(json.dumps([answer["text"], answer["steps"]]))

    async def life() -> None:
        async with Loom(data=folder / "data", approval_timeout=0.5).add_model(Script(model)) as loom:
            loom.add(send, Clerk)
            if not (folder / "asked").exists():
                await loom.publish("ask", "write to ada")
            await loom.idle()

    asyncio.run(life())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
