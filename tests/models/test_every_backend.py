"""Every backend that is installed here: killed in mid-request, cancelled, asked for nonsense, and then asked again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from loom.cli._models_inputs import TEXT, hum, sample
from loom.cli._models_packages import look
from loom.errors import ModelFailed, WorkerDied
from loom.models import ModelRequest, WorkerModel
from loom.models.catalog import BACKENDS, Backend
from loom.runtime import local_model
from tests.worker.worlds import LONG

HERE = [row for row in BACKENDS.values() if look(row).installed and not row.needs]
LENGTHY: dict[str, tuple[Any, dict[str, Any]]] = {
    "transcribe": (hum(20), {}),
    "speak": (TEXT * 40, {}),
    "chat": ("Tell me a long story about a loom.", {"max_tokens": 400}),
}
FILES = [(row, key) for row in HERE for key in ("model", "file", "path") if row.settings.get(key) is str]
NONSENSE: tuple[object, ...] = (None, 7, {"odd": []}, b"x")
KILLED = 2 * LONG  # seconds for a model to load again on a busy machine


def request(task: str, lengthy: bool = False) -> ModelRequest:
    given = sample(task)
    assert given is not None
    input, options = (
        LENGTHY.get(task, (given.input, given.options)) if lengthy else (given.input, given.options)
    )
    return ModelRequest(task, input, timeout=KILLED, options=options)


@pytest.fixture(params=HERE, ids=lambda row: row.name)
async def loaded(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Backend, WorkerModel]]:
    made = local_model(request.param.name, idle=None)
    await made.warm()
    yield request.param, made
    await made.close()


def count(model: WorkerModel, what: str) -> Any:
    return model.statistics()[what]


async def busy(model: WorkerModel) -> None:
    while not count(model, "running"):
        await asyncio.sleep(0)


async def test_killed_in_mid_request_it_is_one_typed_error_and_the_next_request_works(
    loaded: tuple[Backend, WorkerModel],
) -> None:
    row, model = loaded
    task = next(iter(row.tasks))
    os.kill(count(model, "pid"), signal.SIGSTOP)  # so that it cannot be done before it is killed
    asked = asyncio.ensure_future(model.infer(request(task)))
    await busy(model)
    os.kill(count(model, "pid"), signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        await asked
    assert (await model.infer(request(task))).output is not None
    assert (count(model, "deaths"), count(model, "starts")) == (1, 2)


async def test_cancelled_in_mid_request_it_goes_on_with_the_next_one(
    loaded: tuple[Backend, WorkerModel],
) -> None:
    row, model = loaded
    for task in row.tasks:
        asked = asyncio.ensure_future(model.infer(request(task, lengthy=True)))
        await busy(model)
        asked.cancel()
        assert (await model.infer(request(task))).output is not None
    for task in row.streams:
        async with aclosing(model.stream(request(task, lengthy=task != "transcribe"))) as items:
            async for _ in items:
                break
        assert (await model.infer(request(task))).output is not None
    assert (count(model, "deaths"), count(model, "starts")) == (0, 1), "it was told, not killed"


async def test_nonsense_is_a_typed_error_and_the_next_request_works(
    loaded: tuple[Backend, WorkerModel],
) -> None:
    row, model = loaded
    for task in row.tasks:
        told = [await refusal(model, ModelRequest(task, input, timeout=KILLED)) for input in NONSENSE]
        assert sum(map(bool, told)) >= 2
        assert [each for each in told if "Error:" in each] == [], (
            "told by its meaning, not by an accident in code"
        )
        assert (await model.infer(request(task))).output is not None
    assert count(model, "deaths") == 0


async def refusal(model: WorkerModel, asked: ModelRequest) -> str:
    """What the model says against it, empty when it does it."""
    try:
        await model.infer(asked)
    except ModelFailed as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "directory"])
@pytest.mark.parametrize(("row", "setting"), FILES, ids=lambda each: getattr(each, "name", each))
async def test_a_model_file_that_is_none_is_refused_with_its_path(
    row: Backend, setting: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.bin"
    content = {"empty": b"", "text": b"This is no model. " * 100}
    if kind == "directory":
        path.mkdir()
    elif kind in content:
        path.write_bytes(content[kind])
    model = local_model(row.name, **{setting: str(path)})
    try:
        with pytest.raises(ModelFailed, match=re.escape(str(path))):
            await model.warm()
    finally:
        await model.close()
