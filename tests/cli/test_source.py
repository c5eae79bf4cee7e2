"""`loom source`: a running project is muted within one command, remembers it, and one that does not run can be too."""

import json
import os
import signal
from pathlib import Path

import pytest

from loom.cli.source import source_lines
from tests.cli.command import loom, private, running

AGENTS = """
import asyncio
from loom import on, source

@source("door")
async def door(out):
    print("opened", flush=True)
    try:
        while True:
            await asyncio.sleep(0.01)
            out.offer("door.opened", 1)
    finally:
        print("closed", flush=True)

@on("door.opened")
async def count(event, ctx): pass
"""
TOML = """
[loom]
name = "{name}"
{more}
[agents.count]
use = "agents:count"
[sources.door]
use = "agents:door"
{consent}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agents.py").write_text(AGENTS)
    (folder / "loom.toml").write_text(TOML.format(name="kitchen", more="", consent=""))
    return folder


def test_a_running_source_is_muted_and_stays_so(home: Path) -> None:
    env = private(home)
    with running("run", str(home), env=env, cwd=home) as first:
        first.until("opened")
        assert "no source" not in loom("source", "list", env=env, cwd=home).stdout
        said = loom("source", "mute", "door", env=env, cwd=home)
        assert (said.returncode, said.stdout) == (
            0,
            "door is muted; it publishes nothing, also after a restart\n",
        )
        first.until("closed")
        seen = json.loads(loom("source", "list", "--json", env=env, cwd=home).stdout)
        (told,) = seen.values()
        again = json.loads(loom("source", "list", "--json", env=env, cwd=home).stdout)
        assert told["door"]["status"] == "muted"
        assert next(iter(again.values()))["door"]["published"] == told["door"]["published"] > 0
        wrong = loom("source", "mute", "window", env=env, cwd=home)
        assert wrong.returncode == 2
        assert "loom.toml has door" in wrong.stderr
        first.signal(signal.SIGTERM)
        first.end()
    with running("run", str(home), env=env, cwd=home) as second:
        second.until("runs:")
        assert "muted" in loom("source", "list", env=env, cwd=home).stdout
        assert "opened" not in second.text
        assert loom("source", "unmute", "door", env=env, cwd=home).stdout == "door is running\n"
        second.until("opened")
        second.signal(signal.SIGTERM)
        second.end()


@pytest.mark.parametrize("more", ["", 'data = "data"'])
def test_a_project_that_does_not_run_is_allowed_and_muted_for_its_next_start(home: Path, more: str) -> None:
    (home / "loom.toml").write_text(TOML.format(name="kitchen", more=more, consent='consent = "ask"'))
    env = private(home)
    with running("run", str(home), env=env, cwd=home) as first:
        first.until("runs:")
        assert "not allowed" in loom("source", "list", env=env, cwd=home).stdout
        first.signal(signal.SIGTERM)
        first.end()
    said = loom("source", "allow", "door", env=env, cwd=home)
    assert (said.returncode, said.stdout) == (0, "door is allowed, from the next start on\n")
    with running("run", str(home), env=env, cwd=home) as second:
        second.until("opened")
        second.signal(signal.SIGTERM)
        second.end()


def test_without_anything_there_is_one_line(tmp_path: Path) -> None:
    env = private(tmp_path)
    assert "nothing runs" in loom("source", "list", env=env, cwd=tmp_path).stdout
    wrong = loom("source", "mute", "mic", env=env, cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_the_table_says_what_was_shed_and_refused() -> None:
    each = {"status": "running", "published": 1200, "shed": 7, "refused": 2, "failures": 0}
    lines = source_lines({"mic": each}, 80)
    assert lines[1].split() == ["mic", "running", "1,200", "7", "2", "refused"]
    assert source_lines({}, 80) == ["no sources"]
    assert os.linesep not in lines[1]
