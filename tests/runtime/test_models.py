"""What the runtime keeps for models and functions elsewhere: its own processes, which end with it alone."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from loom import Agent, Event, Loom, on
from loom.errors import Closed, MissingExtra
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
    await models.run(functions.where, (), where="thread", timeout=60)
    await models.close()
    assert not made
    with pytest.raises(Closed):
        await _process(models)
    assert not made


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


def test_a_missing_package_is_named_not_the_module_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("loom.worker")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    with pytest.raises(MissingExtra, match="'protobuf' is not installed"):
        load("processes")
