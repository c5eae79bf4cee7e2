"""What the runtime keeps for models and functions elsewhere: its own processes, which end with it alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from loom import Agent, Event, Loom, on
from loom.errors import Closed
from loom.runtime._backends import load
from loom.runtime._models import Models
from loom.worker import ProcessPool
from tests.worker import functions


async def _process(models: Models) -> int:
    pid = await models.run(functions.where, (), where="process", timeout=60)
    assert isinstance(pid, int)
    return pid


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_processes_end_with_their_runtime_and_with_no_other() -> None:
    pids: list[int] = []

    class Runner(Agent):
        @on("go")
        async def go(self, event: Event, ctx: Any) -> None:
            pids.append(await ctx.run(functions.where, timeout=60))

    one, two = Loom(name="one"), Loom(name="two")
    for loom in (one, two):
        loom.add(Runner)
        await loom.start()
        await loom.publish("go")
        await loom.idle()
    first, second = pids
    assert first != second
    await one.stop()
    assert not _runs(first)
    await two.publish("go")
    await two.idle()
    assert pids[2] == second, "the other runtime's process goes on"
    await two.stop()
    assert not _runs(second)


async def test_processes_are_made_when_first_needed_and_closing_without_any_is_fine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[ProcessPool] = []

    class Counted(ProcessPool):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr("loom.worker.ProcessPool", Counted)
    models = Models()
    assert await models.run(functions.where, (), where="thread", timeout=60) == os.getpid()
    await models.close()
    assert not made
    with pytest.raises(Closed):
        await _process(models)
    assert not made


async def test_the_loop_turns_while_the_code_of_workers_is_loaded_and_two_who_need_it_share_one_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaders: list[int] = []

    def slow(name: str) -> Any:
        loaders.append(threading.get_ident())
        return load(name)

    monkeypatch.setattr("loom.runtime._models.load", slow)
    models = Models()
    one, two = await asyncio.gather(_process(models), _process(models))
    assert _runs(one)
    assert _runs(two)
    assert threading.get_ident() not in loaders
    await models.close()
    assert not _runs(one)
    assert not _runs(two)


async def test_a_model_that_cannot_be_closed_keeps_nobody_else_from_being(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Stubborn:
        async def close(self) -> None:
            raise RuntimeError("no")

    class Plain:
        closed = False

        def close(self) -> None:
            self.closed = True

    models, plain = Models(), Plain()
    models.add(Stubborn())
    models.add(plain)
    pid = await _process(models)
    await models.close()
    assert "could not be closed" in caplog.text
    assert "RuntimeError: no" in caplog.text
    assert plain.closed
    assert not _runs(pid)


def test_a_missing_package_is_named_not_the_module_that_needs_it() -> None:
    program = """
import sys
sys.modules["google.protobuf.message"] = None
from loom.runtime._backends import load
load("processes")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("loom.errors.MissingExtra: 'protobuf' is not installed; run: ")
    assert "[worker]" in last
