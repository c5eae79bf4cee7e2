"""A durable subscription over kill -9 of the process that reads it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loom import Loom

CHILD = """
import asyncio, sys
from loom import Loom

async def main():
    async with Loom(data=sys.argv[1]) as loom:
        reader = loom.subscribe("n", durable="r", capacity=4, qos="background")
        for n in range(40):
            await loom.publish("n", n)
        for _ in range(int(sys.argv[2])):
            event = await reader.take()
        await loom.idle()
        print("took", event.payload, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_after_kill_9_exactly_the_unsettled_ones_come_again(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "data"), "17"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "took 16\n"
    child.send_signal(signal.SIGKILL)
    child.wait(60)
    child.stdout.close()

    async def read() -> list[int]:
        async with Loom(data=tmp_path / "data") as loom:
            reader = loom.subscribe("n", durable="r", capacity=4, qos="background")
            return [(await reader.take()).payload for _ in range(24)]

    assert asyncio.run(read()) == list(range(16, 40))
