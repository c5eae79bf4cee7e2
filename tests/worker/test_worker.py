"""A worker answers calls, urgent ones first, and every way in which a call can fail is one typed error."""

from __future__ import annotations

import asyncio
import os

import pytest

from loom.errors import (
    ConfigError,
    InvalidEvent,
    PayloadTooLarge,
    UnreadablePicture,
    WorkerDied,
    WorkerError,
    WorkerGarbage,
    WorkerRefused,
    WorkerTimeout,
)
from loom.event import QoS
from loom.event.codec import Buffer
from loom.worker import Worker, WorkerLimits
from tests.worker.worlds import LONG, SPEC, linux, pid_of, running


@pytest.mark.parametrize(
    "body",
    [
        None,
        True,
        3,
        1.5,
        "text",
        b"\x00\xff",
        [1, "a"],
        {"a": {"b": [None]}},
        Buffer(b"abcd", "int16", (2,), 30.0),
    ],
)
async def test_bodies_come_back_as_they_went(worker: Worker, body: object) -> None:
    assert await worker.call("echo", body, timeout=LONG) == body


async def test_a_dict_may_hold_bytes_and_arrays(worker: Worker) -> None:
    body = {
        "picture": Buffer(b"abcdef", "uint8", (2, 3)),
        "raw": b"xy",
        "threshold": 0.5,
        "deep": {"raw": b"z"},
    }
    assert await worker.call("echo", body, timeout=LONG) == body


async def test_the_process_starts_with_the_first_call_and_gets_its_config(worker: Worker) -> None:
    assert worker.statistics()["starts"] == 0
    assert await worker.call("config", timeout=LONG) == {"answer": 42}
    assert worker.statistics()["starts"] == 1


async def test_a_handler_error_is_a_worker_error_with_its_text_and_the_worker_lives(worker: Worker) -> None:
    pid = await pid_of(worker)
    with pytest.raises(WorkerError, match="ValueError: boom") as caught:
        await worker.call("raise", {"class": "ValueError", "args": ["boom"]}, timeout=LONG)
    assert "behaviours.py" in caught.value.__notes__[0]
    assert await pid_of(worker) == pid


async def test_an_error_of_loom_arrives_as_itself_with_its_attributes(worker: Worker) -> None:
    with pytest.raises(PayloadTooLarge, match="1,000") as caught:
        await worker.call("raise", {"class": "PayloadTooLarge", "args": [2000, 1000]}, timeout=LONG)
    with pytest.raises(UnreadablePicture, match="a cat"):
        await worker.call("raise", {"class": "UnreadablePicture", "args": ["a cat"]}, timeout=LONG)
    assert (caught.value.size, caught.value.limit) == (2000, 1000)


async def test_a_hung_call_times_out_the_process_is_killed_and_the_next_call_works(worker: Worker) -> None:
    first = await pid_of(worker)
    with pytest.raises(WorkerTimeout, match="'hang' of worker 'w'"):
        await worker.call("hang", timeout=0.05)
    assert await pid_of(worker) != first


@pytest.mark.timeout(30)  # a deadline that is not kept is noticed soon
async def test_a_call_that_listens_ends_at_its_timeout_without_a_kill(worker: Worker) -> None:
    first = await pid_of(worker)
    with pytest.raises(WorkerTimeout):
        await worker.call("wait", timeout=0.05)
    assert await pid_of(worker) == first


async def test_a_call_may_time_out_in_the_queue(worker: Worker) -> None:
    hanging = asyncio.create_task(worker.call("wait"))
    await running(worker)
    with pytest.raises(WorkerTimeout, match="in its queue"):
        await worker.call("echo", timeout=0.05)
    hanging.cancel()


async def test_cancelling_the_task_cancels_the_call(worker: Worker) -> None:
    first = await pid_of(worker)
    task = asyncio.create_task(worker.call("wait"))
    await running(worker)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pid_of(worker) == first
    assert worker.statistics()["cancelled"] == 1


async def test_cancelling_a_call_that_does_not_listen_kills_the_process(worker: Worker) -> None:
    first = await pid_of(worker)
    task = asyncio.create_task(worker.call("hang"))
    await running(worker)
    task.cancel()
    assert await pid_of(worker) != first


@linux
async def test_a_stopped_process_is_noticed_by_its_silence() -> None:
    limits = WorkerLimits(heartbeat=0.05, heartbeat_timeout=1.0)
    async with Worker("w", SPEC, limits=limits) as worker:
        with pytest.raises(WorkerDied, match="silent"):
            await worker.call("stop", timeout=LONG)
        assert await pid_of(worker)


@pytest.mark.parametrize(
    "data", ["ffffffff", "00000000", "00000003ffffff", "000000020a00", "0000000412020801"]
)
async def test_garbage_on_the_socket_is_one_error_and_a_new_process(worker: Worker, data: str) -> None:
    first = await pid_of(worker)
    with pytest.raises(WorkerGarbage):
        await worker.call("garbage", data, timeout=LONG)
    assert await pid_of(worker) != first


@pytest.mark.parametrize("kind", ["heartbeat", "item"])
async def test_a_worker_that_floods_the_host_is_killed(worker: Worker, kind: str) -> None:
    with pytest.raises(WorkerGarbage):
        await worker.call("flood", kind, timeout=LONG)
    assert await pid_of(worker)


async def test_a_body_over_the_limit_is_refused_here_with_limit_and_size(worker: Worker) -> None:
    with pytest.raises(PayloadTooLarge, match=r"100,000,000.*16,777,216"):
        await worker.call("echo", bytes(100_000_000), timeout=LONG)
    assert worker.statistics()["starts"] == 0


async def test_a_result_over_the_limit_is_refused_there() -> None:
    async with Worker("w", SPEC, limits=WorkerLimits(max_frame=100_000)) as worker:
        with pytest.raises(PayloadTooLarge, match="100,000"):
            await worker.call("echo", ["x" * 99_980], timeout=LONG)
        assert await worker.call("echo", "fine", timeout=LONG) == "fine"


async def test_a_body_without_wire_form_is_refused_with_its_path(worker: Worker) -> None:
    with pytest.raises(InvalidEvent, match=r"body\.a\[1\].*object"):
        await worker.call("echo", {"a": [1, object()]}, timeout=LONG)
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(InvalidEvent, match="nested over 100 deep"):
        await worker.call("echo", {"schema": deep}, timeout=LONG)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux counts private memory")
async def test_the_memory_limit_is_one_typed_error() -> None:
    async with Worker("w", SPEC, memory_limit=200 << 20) as worker:
        assert await worker.call("eat", 1 << 20, timeout=LONG) == 1 << 20
        with pytest.raises(WorkerDied, match=r"memory limit of 209,715,200 bytes"):
            await worker.call("eat", 1 << 30, timeout=LONG)
        assert await worker.call("eat", 1 << 20, timeout=LONG) == 1 << 20
        assert worker.statistics()["deaths"] == 1


async def test_an_unknown_method_is_refused_with_the_nearest_name(worker: Worker) -> None:
    with pytest.raises(WorkerRefused, match=r"'ecko'.*echo"):
        await worker.call("ecko", timeout=LONG)


async def test_a_full_queue_refuses_its_class_only() -> None:
    async with Worker("w", SPEC, limits=WorkerLimits(pending=2)) as worker:
        tasks = [asyncio.create_task(worker.call("wait", qos=QoS.BACKGROUND))]
        await running(worker)
        tasks += [asyncio.create_task(worker.call("wait", qos=QoS.BACKGROUND)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(WorkerRefused, match=r"2 background calls wait already \(limit 2\)"):
            await worker.call("wait", qos=QoS.BACKGROUND)
        urgent = asyncio.create_task(worker.call("echo", 1, qos=QoS.REALTIME))
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert await urgent == 1
        for task in tasks:
            task.cancel()


async def test_waiting_calls_are_served_by_urgency(worker: Worker) -> None:
    blocker = asyncio.create_task(worker.call("wait"))
    await running(worker)
    order: list[QoS] = []

    async def call(qos: QoS) -> None:
        await worker.call("echo", qos=qos)
        order.append(qos)

    tasks = [asyncio.create_task(call(qos)) for qos in (QoS.BACKGROUND, QoS.BATCHED, QoS.REALTIME)]
    await asyncio.sleep(0)
    blocker.cancel()
    await asyncio.gather(*tasks)
    assert order == [QoS.REALTIME, QoS.BATCHED, QoS.BACKGROUND]


def test_a_spec_without_a_colon_and_a_config_that_is_no_json_are_config_errors() -> None:
    with pytest.raises(ConfigError, match=r"package\.module:factory"):
        Worker("w", "tests.worker.behaviours")
    with pytest.raises(ConfigError, match="JSON"):
        Worker("w", SPEC, {"a": object()})
