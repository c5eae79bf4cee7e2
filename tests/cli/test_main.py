"""The command line: what is there, what is not, and which exit code says so."""

import subprocess
import sys
from pathlib import Path

import pytest

from loom import __version__
from loom.cli.main import COMMANDS, main, unknown
from tests.cli.command import loom


def test_help_names_every_command_and_fits_into_72_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert max(map(len, text.splitlines())) <= 72


def test_without_a_command_it_shows_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: loom COMMAND" in capsys.readouterr().out


def test_version_names_loom_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"loom {__version__} (Python 3.")


@pytest.mark.parametrize(
    ("word", "meant"), [("rnu", "run"), ("docter", "doctor"), ("dmeo", "demo"), ("tpo", "top")]
)
def test_an_unknown_command_offers_the_nearest(word: str, meant: str) -> None:
    assert unknown(word) == f"loom: no command {word!r}; did you mean {meant!r}?"


def test_an_unknown_command_like_none_lists_them() -> None:
    assert unknown("xyzzy") == f"loom: no command 'xyzzy'; there are {', '.join(COMMANDS)}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--colour"], "no option --colour"),
        (["demo"], "loom demo: the following arguments are required: which"),
        (["demo", "camra"], "invalid choice: 'camra'"),
        (["demo", "camera", "--seconds", "no"], "--seconds: 'no' is not a number"),
        (["demo", "camera", "--seconds", "-1"], "-1 is not a number of seconds above 0"),
        (["demo", "camera", "--fps", "0"], "0 frames a second; use 1 to 240"),
        (["new"], "the following arguments are required: name"),
        (["run", "a", "b"], "unrecognized arguments: b"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: loom {command}" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("new", "kitchen")])
def test_an_output_on_a_full_disk_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = loom(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False, cwd=tmp_path)
    assert done.stderr == "loom: cannot write its output: No space left on device\n"
    assert done.returncode == 1


def test_the_installed_script_and_the_module_are_the_same_command() -> None:
    assert loom("--version").stdout.startswith("loom ")


def test_importing_the_command_loads_the_standard_library_only() -> None:
    probe = (
        "import sys; before = set(sys.modules); import loom.cli; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    packages = {name.partition(".")[0] for name in done.stdout.split()}
    assert packages - set(sys.stdlib_module_names) == {"loom"}
    assert "asyncio" not in packages
