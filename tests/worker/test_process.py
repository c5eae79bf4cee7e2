"""The process of a worker: how it starts, what it sees, how it ends, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from loom.errors import (
    Closed,
    MissingExtra,
    WorkerDied,
    WorkerError,
)
from loom.worker import Worker, WorkerLimits, _process
from tests.worker.worlds import LONG, MODULE, SPEC, linux, pid_of, running


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


async def test_a_process_that_is_not_wanted_any_more_when_it_has_started_is_gone_after_the_close(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    started: list[_process.Started] = []
    start = _process._start

    def slow(fds: Sequence[int], names: tuple[str, ...]) -> _process.Started:
        entered.set()
        go_on.wait(LONG)
        started.append(start(fds, names))
        return started[0]

    monkeypatch.setattr(_process, "_start", slow)
    worker = Worker("w", SPEC)
    waiting = asyncio.create_task(worker.call("echo"))
    assert await asyncio.to_thread(entered.wait, LONG)
    closing = asyncio.create_task(worker.close())
    asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(go_on.set))
    await closing
    with pytest.raises(Closed):
        await waiting
    ((popen, mine, reader),) = started
    assert popen.returncode == -signal.SIGKILL
    assert mine.fileno() == -1
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(reader)


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

    path = os.pathsep.join([os.getcwd(), *sys.path])
    host = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    out, _ = await host.communicate()
    while Path(f"/proc/{int(out)}").exists() and "Z" not in _state(int(out)):
        await asyncio.sleep(0)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"
