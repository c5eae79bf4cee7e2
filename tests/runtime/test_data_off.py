"""What is off costs nothing: a runtime without a store loads nothing of one."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
before = set(sys.modules)
from loom import Agent, Loom, on

class Greeter(Agent):
    n: int = 0

    @on("a.b")
    async def greet(self, event, ctx):
        self.n += 1

async def main():
    async with Loom() as loom:
        loom.add(Greeter)
        await loom.publish("a.b", 1)
        await loom.idle()

asyncio.run(main())
durable = ("loom.journal", "loom.agent._durable", "loom.agent._ledger", "loom.agent._timer_book", "loom.store.sqlite")
heavy = ("sqlite3", "zoneinfo", "concurrent.futures.thread", "zlib", "hashlib", "pathlib", "datetime", "dataclasses")
print(*sorted(m for m in set(sys.modules) - before if m in heavy or m.startswith(durable)))
"""


def test_a_runtime_without_a_store_loads_nothing_of_one() -> None:
    """Nor what only a project on a disk, calendars and settings need: each start would pay for it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
