"""`loom run`: a project in a process of its own, until a signal; what it leaves undone it says."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from loom.store.sealed import open_store
from tests.cli.command import loom, private, running

AGENTS = """
import asyncio
from loom import Agent, action, on, source

@source("door")
async def door(out):
    for number in range(3):
        await out("door.opened", number)

@action("tts.speak")
async def speak(text: str) -> None:
    print("said", text, flush=True)

class Greeter(Agent):
    visitors: int = 0
    @on("door.opened")
    async def greet(self, event, ctx):
        self.visitors += 1
        ctx.act("tts.speak", text=str(self.visitors))

class Slow(Agent):
    @on("door.opened")
    async def wait(self, event, ctx):
        print("waiting", flush=True)
        await asyncio.sleep(3600)
"""
TOML = """
[loom]
name = "{name}"
drain = 0.2
[actions.speak]
use = "agents:speak"
[agents.greeter]
use = "agents:{agent}"
grants = ["tts.*"]
[sources.door]
use = "agents:door"
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A project's folder, and beside it a runtime folder of this test alone."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agents.py").write_text(AGENTS)
    (folder / "loom.toml").write_text(TOML.format(name="kitchen", agent="Greeter"))
    return folder


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_says_what_was_done(home: Path, tmp_path: Path, number: signal.Signals) -> None:
    with running("run", str(home), env=private(tmp_path)) as command:
        command.until("said 3")
        command.signal(number)
        assert command.end() == 0
    assert "kitchen runs: 1 source, 1 agent, 1 action; process" in command.text
    assert "3 steps, 0 dead letters, 0 accepted events left undone" in command.text
    assert list((tmp_path / "loom").iterdir()) == []


def test_what_does_not_end_within_the_deadline_is_said_and_fails(home: Path, tmp_path: Path) -> None:
    (home / "loom.toml").write_text(TOML.format(name="kitchen", agent="Slow"))
    with running("run", str(home), env=private(tmp_path)) as command:
        command.until("waiting")
        command.signal(signal.SIGTERM)
        assert command.end() == 1
    assert "3 accepted events left undone" in command.text
    assert "left undone: 3 in greeter.wait" in command.text


def test_a_second_signal_ends_it_at_once(home: Path, tmp_path: Path) -> None:
    text = TOML.format(name="kitchen", agent="Slow").replace("0.2", "3600")
    (home / "loom.toml").write_text(text)
    with running("run", str(home), env=private(tmp_path)) as command:
        command.until("waiting")
        command.signal(signal.SIGTERM)
        command.until("draining")
        command.signal(signal.SIGTERM)
        assert command.end() == -signal.SIGTERM


def test_two_signals_end_a_project_whose_code_blocks_the_loop(home: Path, tmp_path: Path) -> None:
    code = AGENTS.replace("await asyncio.sleep(3600)", "while True: pass")
    (home / "agents.py").write_text(code)
    (home / "loom.toml").write_text(TOML.format(name="kitchen", agent="Slow"))
    with running("run", str(home), env=private(tmp_path)) as command:
        command.until("waiting")
        command.signal(signal.SIGINT)
        while (
            command.process.poll() is None
        ):  # a signal that comes while the first is being handled is the same one
            command.signal(signal.SIGINT)
        assert command.end() == -signal.SIGINT


def test_a_project_runs_where_its_statistics_cannot_be_served(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with running("run", str(home), env=private(tmp_path / "file")) as command:
        command.until("said 3")
        command.signal(signal.SIGTERM)
        assert command.end() == 0
    assert "note: `loom top` will not see this: cannot make" in command.text


def test_check_runs_nothing(home: Path) -> None:
    done = loom("run", str(home), "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{home}/loom.toml is fine: 1 source, 1 agent, 1 action\n"


DURABLE = TOML.replace("drain = 0.2\n", 'data = "kept"\n[journal."greet.>"]\ncount = 3\n')


def test_check_makes_no_store_and_only_looks_at_one(home: Path) -> None:
    (home / "loom.toml").write_text(DURABLE.format(name="kitchen", agent="Greeter"))
    done = loom("run", str(home), "--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (home / "kept").exists()
    with closing(open_store(home / "kept")):
        done = loom("run", str(home), "--check")  # also while somebody uses it
        assert (done.returncode, done.stderr) == (0, "")
    (home / "kept" / "loom.db").write_bytes(b"nonsense" * 2000)
    done = loom("run", str(home), "--check")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{home}/loom.toml:4: ")


def test_check_knows_what_a_rule_may_say(home: Path) -> None:
    text = DURABLE.replace("count = 3", "count = -3")
    (home / "loom.toml").write_text(text.format(name="kitchen", agent="Greeter"))
    done = loom("run", str(home), "--check")
    assert done.returncode == 2
    told = (
        f"{home}/loom.toml:5: journal rule for 'greet.>': count=-3 must be a whole number of events above 0\n"
    )
    assert done.stderr == told


def test_a_malformed_project_is_one_line_and_code_2(home: Path) -> None:
    (home / "loom.toml").write_text('[agents.greeter]\nuse = "agents:Greeter"\ngrant = []\n')
    for arguments in (("run", str(home)), ("run", str(home), "--check")):
        done = loom(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            done.stderr == f"{home}/loom.toml:3: no key 'grant' in [agents.greeter]; did you mean 'grants'?\n"
        )


def test_no_project_says_how_to_make_one(tmp_path: Path) -> None:
    done = loom("run", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "no file loom.toml; `loom new NAME` makes a project, `loom run PATH` runs one\n"


def test_top_shows_a_running_project_and_only_to_its_user(home: Path, tmp_path: Path) -> None:
    environment = private(tmp_path, COLUMNS="40")
    with running("run", str(home), env=environment) as command:
        command.until("said 3")
        [socket] = (tmp_path / "loom").glob("*.sock")
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700

        shown = loom("top", "--once", env=environment)
        assert shown.returncode == 0
        assert shown.stdout.startswith("loom kitchen · running")
        assert "greeter.greet" in shown.stdout
        assert max(map(len, shown.stdout.splitlines())) <= 40

        document = json.loads(loom("top", "kitchen", "--json", env=environment).stdout)
        assert document["agents"]["greeter"]["committed"] == 3
        assert document["queues"][0]["delivered"] == 3

        wrong = loom("top", "cellar", "--once", env=environment)
        assert wrong.returncode == 2
        assert wrong.stderr == f"none is called 'cellar'; there is kitchen-{command.process.pid}\n"


def test_top_follows_until_the_project_has_stopped(home: Path, tmp_path: Path) -> None:
    environment = private(tmp_path)
    with running("run", str(home), env=environment) as command:
        command.until("said 3")
        with running("top", "--plain", env=environment) as top:
            top.until("greeter.greet")
            command.signal(signal.SIGTERM)
            assert command.end() == 0
            assert top.end() == 0
    assert top.text.endswith("it has stopped\n")


def test_top_draws_on_a_terminal_of_40_columns(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("rich")
    environment = private(tmp_path, TERM="xterm")
    with running("run", str(home), env=environment) as command:
        command.until("said 3")
        with running("top", env=environment, columns=40) as top:
            top.until("greeter.greet")
            top.signal(signal.SIGINT)
            assert top.end() == 0


def test_top_says_when_nothing_runs(tmp_path: Path) -> None:
    done = loom("top", env=private(tmp_path))
    assert (done.returncode, done.stderr) == (1, "nothing runs; start a project with: loom run loom.toml\n")


def test_a_socket_left_by_a_killed_runtime_is_removed(home: Path, tmp_path: Path) -> None:
    with running("run", str(home), env=private(tmp_path)) as command:
        command.until("said 3")
        command.signal(signal.SIGKILL)
        command.end()
    assert len(list((tmp_path / "loom").glob("*.sock"))) == 1
    assert loom("top", env=private(tmp_path)).returncode == 1
    assert list((tmp_path / "loom").iterdir()) == []


def test_a_runtime_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loom").mkdir()
    os.chmod(tmp_path / "loom", 0o777)
    done = loom("top", env=private(tmp_path))
    assert done.returncode == 1
    assert "is not a folder of yours alone" in done.stderr
