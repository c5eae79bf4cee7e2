"""What the tests of workers share: where their worker's code is, and how to wait for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loom.worker import Worker

MODULE = "tests.worker.behaviours"
SPEC = f"{MODULE}:factory"
LONG = 30.0  # a call that takes this long has hung
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


async def running(worker: Worker) -> None:
    """Wait until the worker runs a call."""
    while not worker.statistics()["running"]:
        await asyncio.sleep(0)


async def pid_of(worker: Worker) -> int:
    pid = await worker.call("pid", timeout=LONG)
    assert isinstance(pid, int)
    return pid
