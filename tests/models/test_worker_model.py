"""A model in a worker: its tasks are methods, its failures are typed, its times are told."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from loom.errors import InvalidEvent, ModelFailed, NoBackend, WorkerDied, WorkerTimeout
from loom.models import Model, ModelRequest, WorkerModel
from loom.worker import Worker, WorkerLimits

TASKS = {"echo": "echo", "crash": "die", "slow": "wait", "broken": "fail"}


@pytest.fixture
async def model() -> AsyncIterator[WorkerModel]:
    worker = Worker("w", "tests.models.worker_side:factory", limits=WorkerLimits(cancel_grace=0.1))
    made = WorkerModel("m", worker, TASKS)
    yield made
    await made.close()


async def test_input_and_options_arrive_and_the_reply_tells_its_times(model: WorkerModel) -> None:
    assert isinstance(model, Model)
    reply = await model.infer(ModelRequest("echo", b"abc", timeout=30, options={"top": 3}))
    assert (reply.output, reply.backend) == ({"input": b"abc", "options": {"top": 3}}, "m")
    assert 0 <= reply.queue_ms <= reply.total_ms


async def test_failures_are_typed(model: WorkerModel) -> None:
    with pytest.raises(ModelFailed, match=r"model 'm'.*ZeroDivisionError"):
        await model.infer(ModelRequest("broken", timeout=30))
    with pytest.raises(WorkerDied):
        await model.infer(ModelRequest("crash", timeout=30))
    with pytest.raises(WorkerTimeout):
        await model.infer(ModelRequest("slow", timeout=0.05))
    with pytest.raises(NoBackend, match="broken, crash, echo, slow"):
        await model.infer(ModelRequest("other"))
    with pytest.raises(InvalidEvent, match="body"):
        await model.infer(ModelRequest("echo", object()))
    assert model.statistics()["deaths"] == 1
