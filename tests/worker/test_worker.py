"""A worker answers calls, and what becomes of its process is one typed error and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from loom.errors import (
    Closed,
    ConfigError,
    InvalidEvent,
    MissingExtra,
    PayloadTooLarge,
    WorkerDied,
    WorkerError,
    WorkerGarbage,
    WorkerRefused,
    WorkerTimeout,
)
from loom.event import QoS
from loom.event.codec import Buffer
from loom.worker import Worker, WorkerLimits

MODULE = "tests.worker.behaviours"
SPEC = f"{MODULE}:factory"
LONG = 30.0  # a call that takes this long has hung
linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    async with Worker("w", SPEC, {"answer": 42}, limits=WorkerLimits(cancel_grace=0.2)) as made:
        yield made


async def running(worker: Worker) -> None:
    """Wait until the worker runs a call."""
    while not worker.statistics()["running"]:
        await asyncio.sleep(0)


async def pid_of(worker: Worker) -> int:
    pid = await worker.call("pid", timeout=LONG)
    assert isinstance(pid, int)
    return pid


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
    assert (caught.value.size, caught.value.limit) == (2000, 1000)


async def test_a_killed_process_is_exactly_one_error_and_the_next_call_works(worker: Worker) -> None:
    first = await pid_of(worker)
    waiting = [asyncio.create_task(worker.call(m, timeout=LONG)) for m in ("die", "pid", "pid")]
    died, second, third = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(died, WorkerDied)
    assert "SIGKILL" in str(died)
    assert second == third
    assert second != first
    assert worker.statistics()["deaths"] == 1


async def test_an_exit_code_and_the_last_lines_are_in_the_message(worker: Worker) -> None:
    await worker.call("say", {"out": ["loading", "half way"], "err": ["disk on fire"]}, timeout=LONG)
    with pytest.raises(WorkerDied, match=r"exited with code 9(.|\n)*half way(.|\n)*disk on fire"):
        await worker.call("exit", 9, timeout=LONG)


async def test_output_is_kept_up_to_a_bound(worker: Worker) -> None:
    lines = [f"line {n}" for n in range(1000)]
    await worker.call("say", {"out": lines, "err": ["x" * 100_000]}, timeout=LONG)
    await worker.call("log", "logged", timeout=LONG)
    while worker.statistics()["output_lines"] < 1002:  # type: ignore[operator]
        await asyncio.sleep(0)
    kept = worker.output(10_000)
    assert len(kept) == 200
    assert max(map(len, kept)) <= 1000


async def test_a_hung_call_times_out_the_process_is_killed_and_the_next_call_works(worker: Worker) -> None:
    first = await pid_of(worker)
    with pytest.raises(WorkerTimeout, match="'hang' of worker 'w'"):
        await worker.call("hang", timeout=0.05)
    assert await pid_of(worker) != first


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
    limits = WorkerLimits(heartbeat=0.05, heartbeat_timeout=0.3)
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


async def test_a_factory_that_fails_is_its_error_for_everybody_who_waits() -> None:
    async with Worker("w", f"{MODULE}:broken") as worker:
        results = await asyncio.gather(
            *(worker.call("x", timeout=LONG) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(r, WorkerError) and "no such model" in str(r) for r in results)
        assert worker.statistics()["starts"] == 1
        assert worker.output() == ["about to fail"]


async def test_a_missing_package_arrives_as_the_one_line_that_helps() -> None:
    async with Worker("w", f"{MODULE}:missing") as worker:
        with pytest.raises(MissingExtra, match="pip install") as caught:
            await worker.call("x", timeout=LONG)
        assert caught.value.extra == "vision"


@pytest.mark.parametrize(
    "spec", [f"{MODULE}:nothing", "tests.worker.nowhere:factory", f"{MODULE}:dies_at_start"]
)
async def test_a_process_that_does_not_start_is_a_worker_error(spec: str) -> None:
    async with Worker("w", spec) as worker:
        with pytest.raises(WorkerError):
            await worker.start()
        with pytest.raises(WorkerError):
            await worker.call("x", timeout=LONG)


def test_a_spec_without_a_colon_and_a_config_that_is_no_json_are_config_errors() -> None:
    with pytest.raises(ConfigError, match=r"package\.module:factory"):
        Worker("w", "tests.worker.behaviours")
    with pytest.raises(ConfigError, match="JSON"):
        Worker("w", SPEC, {"a": object()})


async def test_stream_items_arrive_in_order_whatever_the_window(worker: Worker) -> None:
    for window in (1, 2, 7):
        assert [n async for n in worker.stream("numbers", 50, window=window)] == list(range(50))


async def test_leaving_a_stream_cancels_it(worker: Worker) -> None:
    first = await pid_of(worker)
    async with aclosing(worker.stream("forever", timeout=LONG)) as items:
        async for number in items:
            if number == 20:
                break
    assert await pid_of(worker) == first


async def test_a_slow_reader_of_a_stream_holds_the_worker_back(worker: Worker) -> None:
    async with aclosing(worker.stream("forever", window=4)) as items:
        assert await anext(items) == 0
        for _ in range(200):
            await asyncio.sleep(0)
        assert worker.statistics()["items"] <= 8  # type: ignore[operator]


async def test_a_stream_whose_process_dies_raises(worker: Worker) -> None:
    items = worker.stream("forever")
    await anext(items)
    os.kill(worker.statistics()["pid"], signal.SIGKILL)  # type: ignore[arg-type]
    with pytest.raises(WorkerDied):
        [item async for item in items]


async def test_a_stream_of_a_plain_method_is_refused(worker: Worker) -> None:
    with pytest.raises(WorkerRefused, match="no stream"):
        await anext(worker.stream("echo"))


async def test_closing_ends_whoever_waits_and_refuses_what_follows() -> None:
    worker = Worker("w", SPEC, limits=WorkerLimits(stop_grace=0.1))
    waiting = [asyncio.create_task(worker.call("hang")) for _ in range(2)]
    await running(worker)
    await worker.close()
    assert [type(r) for r in await asyncio.gather(*waiting, return_exceptions=True)] == [Closed, Closed]
    with pytest.raises(Closed):
        await worker.call("echo")
    await worker.close()


@linux
async def test_no_process_and_no_descriptor_is_left() -> None:
    async def life() -> None:
        async with Worker("w", SPEC) as worker:
            await pid_of(worker)
            with pytest.raises(WorkerDied):
                await worker.call("die", timeout=LONG)
            await pid_of(worker)

    await life()  # what the first one loads stays
    await asyncio.sleep(0)
    before = sorted(os.listdir("/proc/self/fd"))
    await life()
    await asyncio.sleep(0)
    assert sorted(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@linux
async def test_the_process_gets_no_descriptor_but_its_own(worker: Worker, tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        listed = await worker.call("open_files", timeout=LONG)
        assert isinstance(listed, list)
        assert str(secret.fileno()) not in listed[:3] or secret.fileno() > 2
        assert len(listed) <= 5  # three standard ones, the socket, the listing itself


async def test_the_process_gets_few_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.setenv("NEEDED", "yes")
    async with Worker("w", SPEC, environment=["NEEDED"]) as worker:
        seen = await worker.call("environment", timeout=LONG)
    assert isinstance(seen, dict)
    assert seen["NEEDED"] == "yes"
    assert set(seen) <= {"PATH", "LANG", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "TMPDIR", "NEEDED", "LC_CTYPE"}


@linux
async def test_the_process_ends_with_its_host() -> None:
    script = (
        "import asyncio, os, signal\n"
        "from loom.worker import Worker\n"
        "async def main():\n"
        f"    worker = Worker('w', {SPEC!r})\n"
        "    print(await worker.call('pid'), flush=True)\n"
        "    task = asyncio.create_task(worker.call('hang'))\n"
        "    while not worker.statistics()['running']: await asyncio.sleep(0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    import sys

    host = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    out, _ = await host.communicate()
    while Path(f"/proc/{int(out)}").exists() and "Z" not in _state(int(out)):
        await asyncio.sleep(0)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"
