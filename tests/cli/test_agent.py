"""`loom agent` on a data folder, beside a running `loom run` and after a crash of it."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom.cli import _control
from loom.errors import LoomError
from loom.testing import VirtualClock, new_loom, run
from tests.cli.command import Running, loom, private, running

AGENTS = """
from pathlib import Path
from loom import Agent, Retry, on, source

HERE = Path(__file__).parent

@source("door")
async def door(out):
    for number in range(3):
        await out("door.opened", number)

class Greeter(Agent, retry=Retry(attempts=1)):
    visitors: int = 0

    @on("door.opened")
    async def greet(self, event, ctx):
        if not (HERE / "mended").exists():
            raise ValueError(f"nobody at the door {event.payload}")
        self.visitors += 1
        print("greeted", self.visitors, flush=True)
"""
TOML = """
[loom]
name = "kitchen"
data = "data"
[agents.greeter]
use = "agents:Greeter"
{door}
"""
DOOR = '[sources.door]\nuse = "agents:door"'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A project whose agent fails until it is mended, with a runtime folder beside it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "agents.py").write_text(AGENTS)
    (folder / "loom.toml").write_text(TOML.format(door=DOOR))
    (tmp_path / "run").mkdir(mode=0o700)
    return folder


def told(home: Path, *arguments: str, fails: int = 0, **options: object) -> str:
    """What the command says; its exit code is as expected."""
    done = loom(*arguments, cwd=home, env=private(home.parent / "run"), **options)
    assert done.returncode == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr if fails else done.stdout


def agents(home: Path) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(told(home, "agent", "list", "--json"))}


@pytest.fixture
def alive(home: Path) -> Iterator[Running]:
    """The project runs, and has given up three events."""
    with running("run", cwd=home, env=private(home.parent / "run")) as process:
        process.until("nobody at the door 2")
        yield process


@pytest.fixture
def ended(home: Path) -> Path:
    """The project has run and was stopped; its source will not run again."""
    with running("run", cwd=home, env=private(home.parent / "run")) as process:
        process.until("nobody at the door 2")
        process.signal(signal.SIGTERM)
        assert process.end() == 0
    (home / "loom.toml").write_text(TOML.format(door=""))
    return home


def test_dead_letters_are_retried_while_the_runtime_runs(home: Path, alive: Running) -> None:
    assert told(home, "agent", "dead", "list").count("ValueError: nobody at") == 3
    (home / "mended").touch()
    assert "dead letter 2 is tried again" in told(home, "agent", "dead", "retry", "2")
    alive.until("greeted 1")
    assert "2 dead letters are tried again" in told(
        home, "agent", "dead", "retry", "--all", "--agent", "greeter"
    )
    alive.until("greeted 3")
    alive.signal(signal.SIGTERM)
    assert alive.end() == 0
    assert "no dead letters" in told(home, "agent", "dead", "list")


def test_an_agent_is_paused_and_resumed_while_the_runtime_runs(home: Path, alive: Running) -> None:
    assert agents(home)["greeter"]["status"] == "running"
    assert "greeter is paused" in told(home, "agent", "pause", "greeter")
    assert agents(home)["greeter"]["status"] == "paused"
    (home / "mended").touch()
    told(home, "agent", "dead", "retry", "1")
    assert "greeter goes on" in told(home, "agent", "resume", "greeter")
    alive.until("greeted 1")
    assert "no agent 'nobody'; there are greeter" in told(home, "agent", "pause", "nobody", fails=1)


def test_what_needs_the_folder_alone_is_refused_while_it_runs(home: Path, alive: Running) -> None:
    for words in (("reset", "greeter", "--yes"), ("fork", "greeter", "twin")):
        assert f"in use by process {alive.process.pid}" in told(home, "agent", *words, fails=1)


def test_why_and_state_are_told_while_it_runs_and_after_it_was_killed(home: Path, alive: Running) -> None:
    assert "nobody at the door" in told(home, "why", "dead:1")
    alive.signal(signal.SIGKILL)
    alive.end()
    assert "from the source" in told(home, "why", "dead:1")
    assert agents(home)["greeter"]["position"] is not None
    (home / "mended").touch()
    assert "at the next start" in told(home, "agent", "dead", "retry", "--all")


def test_the_control_socket_is_for_its_user_alone(home: Path, alive: Running) -> None:
    (path,) = (home.parent / "run" / "loom").glob("*.ctl")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_pause_outlives_the_process_and_is_honoured_at_start(ended: Path) -> None:
    assert "from the next start on" in told(ended, "agent", "pause", "greeter")
    assert agents(ended)["greeter"]["status"] == "paused"
    (ended / "mended").touch()
    told(ended, "agent", "dead", "retry", "--all")
    with running("run", cwd=ended, env=private(ended.parent / "run")) as process:
        process.until("runs:")
        assert agents(ended)["greeter"]["status"] == "paused"
        assert "greeted" not in process.text
        told(ended, "agent", "resume", "greeter")
        process.until("greeted 3")
    assert agents(ended)["greeter"]["paused"] is False


def test_reset_and_fork_on_a_folder_that_nobody_uses(ended: Path) -> None:
    (ended / "mended").touch()
    told(ended, "agent", "dead", "retry", "--all")
    with running("run", cwd=ended, env=private(ended.parent / "run")) as process:
        process.until("greeted 3")
        process.signal(signal.SIGTERM)
        assert process.end() == 0
    assert json.loads(told(ended, "agent", "state", "greeter")) == {"visitors": 3}
    assert "twin is what greeter was now" in told(ended, "agent", "fork", "greeter", "twin")
    assert "say so with --yes" in told(ended, "agent", "reset", "greeter", fails=2)
    assert "begins with its defaults" in told(ended, "agent", "reset", "greeter", "--yes")
    assert json.loads(told(ended, "agent", "state", "twin")) == {"visitors": 3}
    assert "no state of an agent 'greeter'" in told(ended, "agent", "state", "greeter", fails=2)
    (aside,) = [name for name in agents(ended) if name.startswith("greeter-saved-")]
    assert json.loads(told(ended, "agent", "state", aside)) == {"visitors": 3}


def test_dead_letters_are_shown_and_dropped_offline(ended: Path) -> None:
    shown = told(ended, "agent", "dead", "show", "2")
    assert "nobody at the door 1" in shown
    assert "door.opened" in shown
    assert "dead letter 2 is dropped" in told(ended, "agent", "dead", "drop", "2")
    assert "there is no dead letter 2" in told(ended, "agent", "dead", "drop", "2", fails=2)
    document = json.loads(told(ended, "agent", "dead", "list", "--json"))
    assert [each["number"] for each in document["letters"]] == [1, 3]
    assert "give a number, or --all" in told(ended, "agent", "dead", "retry", fails=2)


def test_a_private_state_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        from loom import Agent, Confidentiality, Label, on

        class Diary(Agent):
            text: str = ""

            @on("dear")
            async def write(self, event, ctx):
                self.text = event.payload

        async with new_loom(Diary, data=tmp_path / "data") as runtime:
            await runtime.publish("dear", "my secret", label=Label(Confidentiality.PRIVATE))
            await runtime.idle()

    run(main(), clock=VirtualClock())
    withheld = loom("agent", "state", "Diary", "--data", str(tmp_path / "data"))
    assert withheld.returncode == 1
    assert "secret" not in withheld.stdout + withheld.stderr
    assert "--show-private" in withheld.stderr
    shown = loom("agent", "state", "Diary", "--show-private", "--data", str(tmp_path / "data"))
    assert json.loads(shown.stdout) == {"text": "my secret"}


@pytest.mark.parametrize(
    "words", [("agent",), ("agent", "nonsense"), ("agent", "dead", "show", "x"), ("agent", "fork", "a")]
)
def test_what_makes_no_sense_is_one_line(home: Path, words: tuple[str, ...]) -> None:
    assert len(told(home, *words, fails=2).splitlines()) == 1


def test_a_folder_without_a_store_is_a_plain_message(home: Path) -> None:
    assert "there is no store in" in told(home, "agent", "list", fails=1)
    assert "there is no store in" in told(home, "why", "#1", "--data", "/", fails=1)


# --- what the socket takes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"nonsense", b"[]", b'"pause"', b'{"do": "destroy"}', b'{"do": ["pause"]}', b"\xff" * 100],
)
def test_only_what_is_in_the_table_is_done(line: bytes) -> None:
    async def main() -> None:
        async with new_loom() as runtime:
            told = await _control.obey(runtime, line)
            known = "pause, resume, retry, drop, mute, unmute, allow, profile"
            assert told == {"wrong": f"this runtime knows {known}"}

    run(main())


@pytest.mark.parametrize(
    "line",
    [
        b'{"do": "pause"}',
        b'{"do": "pause", "agent": 3}',
        b'{"do": "drop", "letter": "x"}',
        b'{"do": "retry", "letters": 7}',
    ],
)
def test_what_is_asked_wrongly_is_answered(line: bytes) -> None:
    async def main() -> None:
        async with new_loom() as runtime:
            assert list(await _control.obey(runtime, line)) == ["wrong"]

    run(main())


def test_the_profile_of_a_running_router_is_changed() -> None:
    async def main() -> None:
        async with new_loom() as runtime:
            told = await _control.obey(runtime, b'{"do": "profile", "profile": "cheap"}')
            assert told == {"said": "the router follows profile 'cheap' now"}
            assert runtime.router.policy.name == "cheap"
            told = await _control.obey(runtime, b'{"do": "profile", "profile": "cheep"}')
            assert told == {"wrong": "no profile 'cheep'; did you mean 'cheap'?"}
            assert runtime.router.policy.name == "cheap"

    run(main())


def test_a_runtime_that_loom_run_did_not_start_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(LoomError, match=f"in use by process {os.getpid()}, which `loom run` did not start"):
        _control.command(os.getpid(), {"do": "pause"})


def test_sockets_of_processes_that_were_killed_are_swept(tmp_path: Path) -> None:
    left, mine, other = (
        tmp_path / "kitchen-999999999.ctl",
        tmp_path / "a.ctl",
        tmp_path / f"b-{os.getpid()}.ctl",
    )
    for path in (left, mine, other):
        path.touch()
    _control._sweep(mine)
    assert sorted(tmp_path.iterdir()) == [other]
