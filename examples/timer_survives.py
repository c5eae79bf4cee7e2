"""A timer is set, the process is killed with SIGKILL, another one is started: it rings, and `loom why` tells why.

The seconds are the first argument, ten unless said. It prints:

set for tea
killed
rings for tea, once
event kitchen.request -> step Kitchen.set_timer -> timer kitchen.ring -> event kitchen.ring
"""

import asyncio
import json
import subprocess
import sys
import tempfile

from loom import Agent, Loom, on


class Kitchen(Agent):
    rung: int = 0

    @on("kitchen.request")
    async def set_timer(self, event, ctx):
        ctx.after(event.payload["seconds"], "kitchen.ring", event.payload["what"])

    @on("kitchen.ring")
    async def ring(self, event, ctx):
        self.rung += 1
        print(f"rings for {event.payload}, {'once' if self.rung == 1 else self.rung}", event.id, flush=True)


async def live(data, seconds):
    async with Loom(data=data) as loom:
        loom.add(Kitchen)
        if seconds:
            await loom.publish("kitchen.request", {"what": "tea", "seconds": seconds})
            await loom.idle()
            print("set for tea", flush=True)
        await asyncio.sleep(3600)


if len(sys.argv) > 2:
    asyncio.run(live(sys.argv[1], float(sys.argv[2])))
else:
    wait = sys.argv[1] if len(sys.argv) == 2 else "10"
    with tempfile.TemporaryDirectory() as data:
        for seconds in (wait, "0"):  # one life in which the timer is set, one in which it rings
            with subprocess.Popen(
                [sys.executable, __file__, data, seconds], stdout=subprocess.PIPE, text=True
            ) as life:
                line = life.stdout.readline().strip()
                life.kill()
            print(line.rpartition(" ")[0] if line.startswith("rings") else line + "\nkilled")
        why = [sys.executable, "-m", "loom.cli", "why", line.split()[-1], "--data", data, "--json"]
        chain = json.loads(subprocess.run(why, capture_output=True, text=True, check=True).stdout)["chain"]
        print(" -> ".join(f"{link['kind']} {link['what']}" for link in chain))
