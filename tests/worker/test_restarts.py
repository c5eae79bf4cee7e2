"""Pauses between starts: waited for after a death, told at once after a start that failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ModelFailed, WorkerDied, WorkerError
from loom.worker import Worker, WorkerLimits
from loom.worker._process import Process
from loom.worker._restarts import Restarts
from tests.worker.worlds import LONG, MODULE, SPEC

LIMITS = WorkerLimits(backoff_first=0.1, backoff_max=30.0)


@given(st.lists(st.tuples(st.sampled_from(["died", "worked", "failed"]), st.floats(0, 100)), max_size=30))
def test_what_is_refused_is_refused_only_while_the_pause_lasts(steps: list[tuple[str, float]]) -> None:
    restarts, now = Restarts(LIMITS), 0.0
    failure = ModelFailed("no file")
    failed = False
    for what, seconds in steps:
        now += seconds
        if what == "worked":
            restarts.started(None)
            restarts.worked()
            failed = False
        else:
            restarts.died(now)
            failed = what == "failed"
            restarts.started(failure if failed else None)
        pause = restarts.pause(now)
        assert 0 <= pause <= LIMITS.backoff_max + 1e-9
        assert restarts.refusal(now) is (failure if failed and pause else None)
        assert restarts.refusal(now + pause + 1e-6) is None, "then a start is worth the try"


def test_the_row_of_deaths_ends_when_it_answers() -> None:
    restarts = Restarts(LIMITS)
    for _ in range(20):
        restarts.died(0.0)
    assert restarts.pause(0.0) == 30.0
    assert restarts.pause(29.0) == 1.0
    assert restarts.pause(31.0) == 0.0
    restarts.worked()
    restarts.died(40.0)
    assert restarts.pause(40.0) == 0.0


async def test_a_start_that_fails_again_and_again_is_told_at_once_each_time() -> None:
    slow = WorkerLimits(backoff_first=3600.0, backoff_max=3600.0)
    async with Worker("w", f"{MODULE}:broken", limits=slow) as worker:
        for _ in range(6):
            with pytest.raises(WorkerError, match="no such model"):
                await worker.call("echo", timeout=LONG)
            with pytest.raises(WorkerError, match="no such model"):
                await worker.start()
        assert worker.statistics()["starts"] == 2, "the first, and one without a pause; then none for an hour"


async def test_the_same_failure_does_not_grow_with_each_who_is_told() -> None:
    slow = WorkerLimits(backoff_first=3600.0, backoff_max=3600.0)
    async with Worker("w", f"{MODULE}:broken", limits=slow) as worker:
        depths = []
        for _ in range(20):
            try:
                await worker.call("echo", timeout=LONG)
            except WorkerError as error:
                depth, trace = 0, error.__traceback__
                while trace is not None:
                    depth, trace = depth + 1, trace.tb_next
                depths.append(depth)
        assert len(set(depths[5:])) == 1


async def test_a_process_that_could_not_be_made_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Process.start

    async def fails(*arguments: Any) -> Process:
        raise OSError("no more processes")

    async with Worker("w", SPEC) as worker:
        monkeypatch.setattr(Process, "start", fails)
        with pytest.raises(WorkerDied, match="OSError: no more processes"):
            await worker.call("echo", 1, timeout=LONG)
        monkeypatch.setattr(Process, "start", made)
        assert await asyncio.wait_for(worker.call("echo", 1), LONG) == 1
