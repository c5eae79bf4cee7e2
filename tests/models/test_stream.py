"""Streams of models in real worker processes: through ask and stream of agents, cancelled, killed, overtaken."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, QoS, Retry, on
from loom.errors import ModelFailed, NoBackend, WorkerDied, WorkerTimeout
from loom.models import ModelRequest, Stream, WorkerModel
from loom.worker import Worker, WorkerLimits
from tests.worker.worlds import LONG

SPEC = "tests.models.worker_side:factory"
TASKS = {"echo": "echo", "pid": "pid", "note": "note", "loop": "loop", "wait": "wait", "eat": "eat"}
STREAMS = {"count": "count", "crash": "crash", "echo": "echo"}


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with Worker("w", SPEC, limits=WorkerLimits(cancel_grace=LONG)) as made:
        yield made


@pytest.fixture
async def loom(worker: Worker) -> AsyncIterator[Loom]:
    """A runtime whose model has this worker."""
    async with Loom(watchdog=None).add_model(
        WorkerModel("m", worker, {**TASKS, "count": "count", "crash": "crash"}, STREAMS)
    ) as made:
        yield made


async def busy(worker: Worker) -> None:
    while not worker.statistics()["running"]:
        await asyncio.sleep(0.001)


async def test_items_come_in_order_with_bytes_and_options(loom: Loom) -> None:
    async with loom.stream("count", 20, timeout=LONG, tag="x") as items:
        got = [item async for item in items]
    assert got == [{"number": n, "pcm": b"\0\0", "tag": "x"} for n in range(20)]


async def test_failures_of_a_stream_are_typed(loom: Loom, worker: Worker) -> None:
    model = WorkerModel("m", worker, TASKS, STREAMS)
    with pytest.raises(NoBackend, match="streams count, crash, echo, not 'pid'"):
        await anext(model.stream(ModelRequest("pid")))
    async with loom.stream("crash", timeout=LONG) as items:
        assert await anext(items) == 1
        with pytest.raises(ModelFailed, match=r"model 'm'.*ZeroDivisionError"):
            await anext(items)
    with pytest.raises(WorkerTimeout):
        [item async for item in loom.stream("count", None, timeout=0.05)]
    assert await loom.ask("echo", 1, timeout=LONG) == {"input": 1, "options": {}}


async def test_closing_early_reaches_the_worker_and_the_next_request_works(loom: Loom) -> None:
    before = await loom.ask("pid", timeout=LONG)
    for _ in range(5):
        async with loom.stream("count", None, timeout=LONG) as items:
            assert (await anext(items))["number"] == 0
    assert await loom.ask("pid", timeout=LONG) == before, "it was told, not killed"


async def test_a_cancelled_call_reaches_a_model_that_looks_up_now_and_then(
    loom: Loom, worker: Worker
) -> None:
    before = await loom.ask("pid", timeout=LONG)
    for task in ("loop", "wait"):
        asked = asyncio.ensure_future(loom.ask(task))
        await busy(worker)
        asked.cancel()
        assert await loom.ask("pid", timeout=LONG) == before
        assert asked.cancelled()


async def test_a_cancelled_scope_reaches_the_worker_in_mid_stream(loom: Loom, worker: Worker) -> None:
    class Reader(Agent):
        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async with ctx.stream("count", None) as items:
                async for item in items:
                    ctx.emit("seen", item)

    loom.add(Reader)
    seen = loom.subscribe("seen", capacity=4, qos=QoS.REALTIME)
    before = await loom.ask("pid", timeout=LONG)
    await loom.publish("read", scope="turn")
    async with asyncio.timeout(LONG):
        await anext(aiter(seen))
        assert loom.cancel("turn") >= 1
        await loom.idle()
    assert await loom.ask("pid", timeout=LONG) == before
    assert worker.statistics()["running"] == 0


@pytest.mark.parametrize("stage", ["queued", "call", "stream"])
async def test_a_killed_worker_is_one_typed_error_and_the_next_request_works(
    loom: Loom, worker: Worker, stage: str
) -> None:
    pid = await loom.ask("pid", timeout=LONG)
    errors: list[BaseException] = []

    async def read() -> None:
        try:
            async for _ in loom.stream("count", None, timeout=LONG):
                await asyncio.sleep(0)
        except Exception as error:
            errors.append(error)

    async def ask() -> None:
        try:
            await loom.ask("wait", timeout=LONG)
        except Exception as error:
            errors.append(error)

    first = asyncio.create_task(read() if stage == "stream" else ask())
    await busy(worker)
    behind = asyncio.create_task(loom.ask("echo", 7, timeout=LONG)) if stage == "queued" else None
    await asyncio.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    await first
    assert [type(error) for error in errors] == [WorkerDied]
    if behind is not None:
        assert (await behind)["input"] == 7, "whoever waited behind it is served by the next process"
    assert await loom.ask("pid", timeout=LONG) != pid
    assert worker.statistics()["deaths"] == 1


async def test_a_step_whose_worker_was_killed_in_mid_stream_is_retried_and_gets_it_whole(
    loom: Loom, worker: Worker
) -> None:
    class Reader(Agent, retry=Retry(attempts=3, base=0.01)):
        heard: list[int] = []
        _kill: bool = True

        @on("read")
        async def read(self, event: Event, ctx: Context) -> None:
            async with ctx.stream("count", 50) as items:
                async for item in items:
                    self.heard.append(item["number"])
                    if self._kill:
                        self._kill = False
                        os.kill(worker.statistics()["pid"], signal.SIGKILL)  # type: ignore[arg-type]

    loom.add(Reader)
    await loom.publish("read")
    async with asyncio.timeout(LONG):
        await loom.idle()
    assert loom.agent("Reader").instance.heard == [*range(50)]
    assert (loom.dead_letters, worker.statistics()["deaths"]) == ([], 1)


async def test_urgent_agents_overtake_those_that_wait_for_the_same_model(loom: Loom, worker: Worker) -> None:
    def indexer(number: int) -> Any:
        @on(f"page.{number}", qos=QoS.BACKGROUND)
        async def index(event: Event, ctx: Context) -> None:
            await ctx.ask("note", event.payload, timeout=LONG)

        index.__name__ = f"index{number}"
        return index

    @on("voice", qos=QoS.REALTIME)
    async def listen(event: Event, ctx: Context) -> None:
        await ctx.ask("note", event.payload, timeout=LONG)

    for number in range(3):
        loom.add(indexer(number), name=f"indexer{number}")
    loom.add(listen)
    first = asyncio.ensure_future(loom.ask("wait"))
    await busy(worker)
    for number in range(3):
        await loom.publish(f"page.{number}", f"page {number}")
    while worker.statistics()["pending"]["background"] < 3:  # type: ignore[index]
        await asyncio.sleep(0.001)
    await loom.publish("voice", "stop")
    while worker.statistics()["pending"]["realtime"] < 1:  # type: ignore[index]
        await asyncio.sleep(0.001)
    first.cancel()
    async with asyncio.timeout(LONG):
        await loom.idle()
    noted = (await loom.ask("note", "end", timeout=LONG))[:-1]
    assert noted[0] == "stop"
    assert sorted(noted[1:]) == ["page 0", "page 1", "page 2"]


async def test_a_model_over_its_memory_limit_is_one_error_and_the_next_request_works() -> None:
    async with Worker("w", SPEC, memory_limit=300 << 20) as small:
        model = WorkerModel("m", small, TASKS)
        with pytest.raises(WorkerDied, match="memory limit of 314,572,800 bytes"):
            await _eat_much(model)
        assert (await model.infer(ModelRequest("eat", b"abc", timeout=LONG))).output == 3


async def _eat_much(model: WorkerModel) -> None:
    model._methods["grow"] = "grow"
    await model.infer(ModelRequest("grow", 1 << 30, timeout=LONG))


async def test_a_stream_that_is_not_read_holds_the_worker_back(loom: Loom, worker: Worker) -> None:
    async with loom.stream("count", None, timeout=LONG) as items:
        await anext(items)
        await asyncio.sleep(0.05)
        assert worker.statistics()["items"] <= 16  # type: ignore[operator]


async def test_warm_loads_what_the_first_request_would_wait_for(loom: Loom, worker: Worker) -> None:
    assert worker.statistics()["pid"] == 0
    await loom.warm("echo", "count")
    assert (worker.statistics()["pid"] != 0, worker.statistics()["calls"]) == (True, 0)
    with pytest.raises(NoBackend, match="paint"):
        await loom.warm("paint")


async def test_warming_a_model_that_cannot_load_says_why() -> None:
    async with Worker("w", "tests.models.worker_side:broken") as worker:
        model = WorkerModel("m", worker, TASKS)
        with pytest.raises(ModelFailed, match="is no model; give another file"):
            await model.warm()
        with pytest.raises(ModelFailed, match="is no model; give another file"):
            await model.infer(ModelRequest("echo", timeout=LONG))


async def test_a_stream_nobody_began_is_never_asked_for() -> None:
    stream = Stream(lambda: pytest.fail("asked"))
    await stream.aclose()
    assert [item async for item in stream] == []
