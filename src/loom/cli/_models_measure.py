"""What a model costs here: load it in its worker, give it a small input for each task, look at the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from loom.cli._models_inputs import RATE, Sample, sample
from loom.errors import LoomError
from loom.models import ModelRequest, WorkerModel
from loom.models.catalog import Backend

ROUNDS, ENOUGH = 5, 2.0
LOADING = "loading"
TIMEOUT = 300.0


class Cost(NamedTuple):
    """What one task costs: *value* in *unit* ("x real time", "ms" an item, "tokens/s")."""

    value: float
    unit: str


class Costs(NamedTuple):
    """*load* seconds from nothing to ready, *memory* bytes of its process at most, and each task."""

    load: float
    memory: int
    tasks: dict[str, Cost]
    errors: dict[str, str]


async def measure(
    backend: Backend, model: WorkerModel, tell: Callable[[str], None], speech: list[bytes]
) -> Costs:
    """Measure *model*, made of *backend*; *tell* hears what is being done. Raises what loading it raises.

    *speech* is what a voice said before, for what listens; a voice adds to it. The model is closed at the end.
    """
    peak = [0]
    watching = asyncio.ensure_future(_watch(model, peak))
    tasks: dict[str, Cost] = {}
    errors: dict[str, str] = {}
    try:
        tell(LOADING)
        began = perf_counter()
        await model.warm()
        load = perf_counter() - began
        for task in each_once(backend):
            tell(task)
            found = sample(task, speech[0] if speech else None)
            if found is None:
                continue
            try:
                tasks[task] = await _cost(backend, model, task, found, speech)
            except LoomError as error:
                errors[task] = str(error)
        _note(model, peak)
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await model.close()
    return Costs(load, peak[0], tasks, errors)


async def say(model: WorkerModel) -> bytes:
    """What *model*, a voice, says, at the rate that ears take; it is closed afterwards. Raises what it raises."""
    given = sample("speak")
    assert given is not None
    try:
        reply = await model.infer(ModelRequest("speak", given.input, timeout=TIMEOUT))
        return _resampled(dict(reply.output))  # type: ignore[call-overload]
    finally:
        await model.close()


def each_once(backend: Backend) -> Iterator[str]:
    """The tasks of *backend*, one for each of its methods."""
    seen: set[str] = set()
    for task, method in backend.tasks.items():
        if method not in seen:
            seen.add(method)
            yield task


async def _cost(backend: Backend, model: WorkerModel, task: str, given: Sample, speech: list[bytes]) -> Cost:
    request = ModelRequest(task, given.input, timeout=TIMEOUT, options=given.options)
    output = (await model.infer(request)).output  # the first one loads what was left for later
    if task == "speak" and isinstance(output, dict) and "pcm" in output:
        speech[:] = [_resampled(output)]
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < ENOUGH:
        began = perf_counter()
        output = (await model.infer(request)).output
        times.append(perf_counter() - began)
    return cost(task, given, output, median(times))


def cost(task: str, given: Sample, output: Any, seconds: float) -> Cost:
    """What *seconds* for this input and output mean. Pure."""
    if task == "speak" and isinstance(output, dict) and output.get("seconds"):
        return Cost(seconds / float(output["seconds"]), "x real time")
    if task == "chat" and isinstance(output, dict) and output.get("tokens_out"):
        return Cost(float(output["tokens_out"]) / seconds, "tokens/s")
    if given.seconds:
        return Cost(seconds / given.seconds, "x real time")
    return Cost(seconds * 1000 / given.items, "ms")


def _resampled(output: dict[str, Any]) -> bytes:
    """What a voice said at the rate that ears take: the nearest samples, which is good enough to time them."""
    pcm, rate = bytes(output["pcm"]), int(output.get("rate", RATE))
    if rate == RATE:
        return pcm
    view = memoryview(pcm).cast("h")
    picked = (view[min(len(view) - 1, n * rate // RATE)] for n in range(len(view) * RATE // rate))
    return b"".join(value.to_bytes(2, "little", signed=True) for value in picked)


async def _watch(model: WorkerModel, peak: list[int]) -> None:
    while True:
        await asyncio.sleep(0.2)
        _note(model, peak)


def _note(model: WorkerModel, peak: list[int]) -> None:
    rss = model.statistics().get("rss", 0)
    peak[0] = max(peak[0], rss if isinstance(rss, int) else 0)
