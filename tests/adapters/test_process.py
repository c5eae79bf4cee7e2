"""Programs as an action: only those of the list, as they are called, without a shell, bounded, and none left behind."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from loom.adapters.process import Processes, ProcessOptions, find_programs, process
from loom.errors import ActionDenied, ActionFailed, ActionTimeout, ConfigError
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project


def python(folder: Path, **options: Any) -> Processes:
    programs = {"python": sys.executable}
    return Processes("process", ProcessOptions(programs, folder, **options))


async def run(sink: Processes, code: str, *arguments: str) -> dict[str, Any]:
    async with Loom().add(sink) as loom:
        found: dict[str, Any] = await loom.call(
            "process.run", program="python", arguments=["-c", code, *arguments]
        )
        return found


async def test_arguments_are_passed_as_they_are_and_no_shell_reads_them(tmp_path: Path) -> None:
    text = "$(touch x); `touch y` > z && * ' \" \n"
    ended = await run(python(tmp_path), "import sys; print(repr(sys.argv[1]))", text)
    assert ended == {"code": 0, "out": repr(text) + "\n", "err": "", "cut": 0}
    assert os.listdir(tmp_path) == []


async def test_the_environment_is_minimal_and_there_is_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hidden")
    code = "import os,sys; print(sorted(os.environ)); print(repr(sys.stdin.read())); print(os.getcwd())"
    ended = await run(python(tmp_path, environment={"OWN": "1"}), code)
    names, read, where = ended["out"].splitlines()
    assert set(eval(names)) - {"LC_CTYPE"} == {"HOME", "LANG", "OWN", "PATH"}
    assert (read, where) == ("''", str(tmp_path))


async def test_exit_status_and_errors_are_told_and_output_over_the_limit_is_cut(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('x' * 300000); sys.stderr.write('wrong'); sys.exit(3)"
    ended = await run(python(tmp_path, max_output=10), code)
    assert ended == {"code": 3, "out": "x" * 10, "err": "wrong", "cut": 299_990}


FORKS = """
import os, sys, time
if os.fork() == 0:
    open(sys.argv[1] + ".tmp", "w").write(str(os.getpid()))
    os.rename(sys.argv[1] + ".tmp", sys.argv[1])
    time.sleep(600)
time.sleep(600 if len(sys.argv) > 2 else 0)
"""


async def gone(file: Path) -> bool:
    """Whether the process that wrote its number into *file* has ended; waits for the kernel to say so."""
    pid = int(await asyncio.to_thread(file.read_text))
    for _ in range(500):
        try:
            os.kill(pid, 0)
            status = Path(f"/proc/{pid}/stat")
            if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_run_that_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    sink = Processes("process", ProcessOptions({"sh": "/bin/sh"}, tmp_path, timeout=2.0))
    script = "sleep 600 & echo $! > pid; wait"  # a shell is there at once, even on a busy machine
    async with Loom().add(sink) as loom:
        with pytest.raises(ActionTimeout):
            await loom.call("process.run", program="sh", arguments=["-c", script])
    assert await gone(tmp_path / "pid")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_a_run_left_in_its_group_is_killed_when_it_ends(tmp_path: Path) -> None:
    code = FORKS.replace(
        "time.sleep(600 if", "\nwhile not os.path.exists(sys.argv[1]): pass\ntime.sleep(600 if"
    )
    ended = await run(python(tmp_path), code, str(tmp_path / "pid"))
    assert ended["code"] == 0
    assert await gone(tmp_path / "pid")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_cancelled_run_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    task = asyncio.create_task(run(python(tmp_path), FORKS, str(file), "stay"))
    while not file.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert await gone(file)


async def test_other_programs_and_senseless_arguments_are_refused(tmp_path: Path) -> None:
    async with Loom().add(python(tmp_path)) as loom:
        for program in ("sh", "/bin/sh", sys.executable, "python ", "../python"):
            with pytest.raises(ActionDenied, match="programs allows python"):
                await loom.call("process.run", program=program)
        for arguments in (["a\0b"], ["x"] * 257, ["x" * 65_537]):
            with pytest.raises(ActionFailed):
                await loom.call("process.run", program="python", arguments=arguments)
        with pytest.raises(ActionFailed, match="must be"):
            await loom.call("process.run", program="python", arguments="-c 1")


def test_programs_are_found_at_the_start_and_not_in_the_callers_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "mine"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_programs(["sh", str(fake)]) == {"sh": find_programs(["sh"])["sh"], str(fake): str(fake)}
    for wrong in ("mine", "./mine", "no-such-program", str(tmp_path)):
        with pytest.raises(ConfigError, match="is no program here"):
            find_programs([wrong])


def test_settings_that_make_no_sense_are_a_config_error(tmp_path: Path) -> None:
    for wrong in ({"timeout": 0}, {"most": 0}, {"max_output": -1}):
        with pytest.raises(ConfigError, match="process"):
            python(tmp_path, **wrong)
    with pytest.raises(ConfigError, match="list of texts"):
        process("p", tmp_path, "sh")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="environment"):
        process("p", tmp_path, ["sh"], environment={"A": 1})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="is not there"):
        process("p", tmp_path, ["sh"], folder="nowhere")


PROJECT = """
[actions.tools]
use = "process"
programs = ["echo"]
"""


async def test_one_block_of_a_project_file_allows_one_program(tmp_path: Path) -> None:
    def made() -> Loom:
        return build(parse_project(PROJECT, tmp_path / "loom.toml"))

    async with await asyncio.to_thread(made) as loom:
        ended = await loom.call("tools.run", program="echo", arguments=["a  b"])
        assert ended["out"] == "a  b\n"


def test_a_program_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loom.toml:2: programs: 'no-such' is no program here"):
        build(parse_project(PROJECT.replace("echo", "no-such"), tmp_path / "loom.toml"))
