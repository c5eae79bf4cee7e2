"""`loom demo desk`, as people run it: real models, its own papers or somebody's, with and without a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from loom.adapters._camera_pictures import packaged_pictures
from tests.cli.command import COMMAND, loom, private, running

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as people have them: papers, and files that nothing can be done with."""
    made = tmp_path / "my papers"
    made.mkdir()
    (made / "Frankfurt trip.txt").write_text(
        "The train to Frankfurt leaves at 9:12 from platform 7.\nSeats 41 and 43.\n"
    )
    (made / "bees.md").write_text("# Bees\n\nThe queen lays two thousand eggs a day in early summer.\n")
    (made / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(50))
    shutil.copy(packaged_pictures()["astronaut.png"], made)
    (made / "noise.dat").write_bytes(bytes(range(256)) * 4)
    (made / "cut.json").write_text('{"cut": ')
    (made / "outside.txt").symlink_to("/etc/hostname")
    os.mkfifo(made / "pipe")
    return made


@pytest.mark.timeout(300)
def test_its_own_papers_prove_the_claim() -> None:
    done = loom("demo", "desk", "--no-chat", "--json", timeout=280.0)
    shown = json.loads(done.stdout)
    assert [check["text"] for check in shown["checks"] if not check["ok"]] == []
    assert done.returncode == 0
    assert len(shown["checks"]) == 11
    assert len(shown["before_kill"]) >= 3
    assert not set(shown["before_kill"]) & set(shown["filed"]) - {"meeting-2026-03-09.md"}
    assert {"scan.pdf", "backup.bin", "half.json", "empty.txt"} <= set(shown["not_filed"])
    asked = [answer for answer in shown["answers"] if answer["expected"]]
    assert [a["question"] for a in asked if a["hits"][0]["name"] != a["expected"]] == []


@pytest.mark.timeout(300)
def test_a_folder_of_somebody_is_read_once_and_answers_differ(folder: Path, tmp_path: Path) -> None:
    given = ("demo", "desk", "--folder", str(folder), "--data", str(tmp_path / "data"), "--no-chat", "--json")
    questions = (
        "--ask",
        "When does my train leave?",
        "--ask",
        "How many eggs does a queen lay?",
        "--ask",
        "Who was Galileo?",
    )
    first = json.loads(loom(*given, *questions, timeout=120.0).stdout)
    assert set(first["files"]) == {"Frankfurt trip.txt", "bees.md", "astronaut.png"}
    assert set(first["not_filed"]) == {
        "noise.dat",
        "cut.json",
        "photo.jpg",
    }  # links that lead out and pipes are not even looked at
    assert first["files"]["astronaut.png"]["summary"].endswith("512 x 512 pixels, one face of a person")
    train, bees, galileo = first["answers"]
    assert (train["line"]["name"], train["line"]["first"]) == ("Frankfurt trip.txt", 1)
    assert (bees["line"]["name"], bees["line"]["first"]) == ("bees.md", 3)
    assert galileo["hits"] == []
    assert train["label"] == "private, untrusted"

    (folder / "bees.md").unlink()
    (folder / "Frankfurt trip.txt").write_text("The train to Frankfurt leaves at 10:47 from platform 3.\n")
    again = json.loads(loom(*given, *questions[:4], timeout=120.0).stdout)
    assert again["filed"] == ["Frankfurt trip.txt"]
    assert "10:47" in again["answers"][0]["line"]["text"]
    assert again["answers"][1]["hits"] == []


def test_lines_of_standard_input_are_questions(folder: Path) -> None:
    given = ("demo", "desk", "--folder", str(folder), "--no-chat")
    done = loom(*given, stdin=None, input="When does the train leave?\n\nHow many eggs does a queen lay?")
    assert done.returncode == 0
    assert "“The train to Frankfurt leaves at 9:12 from platform 7.”" in re.sub(r"\s+", " ", done.stdout)
    assert "“The queen lays two thousand eggs" in re.sub(r"\s+", " ", done.stdout)
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--folder", "nowhere"), "'nowhere' is not a folder"),
        (("--ask", "What?"), "--ask is for a folder of yours"),
        (("--data", "x"), "--data is for a folder of yours"),
        (("--folder", ".", "--recursive", "--data", "x/y"), "--data x/y lies in the folder that is read"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(given: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = loom("demo", "desk", *given, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: signal.Signals, folder: Path) -> None:
    with running("demo", "desk", "--folder", str(folder), "--no-chat", "--events") as command:
        command.until("bees.md")
        command.signal(number)
        assert command.end() == 0
    assert "Traceback" not in command.text


def test_a_terminal_asks_and_sees_what_is_dropped_meanwhile(folder: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "demo", "desk", "--folder", str(folder), "--no-chat"]
    env = private(tmp_path, TERM="xterm", COLUMNS="60")
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(env))
    os.close(theirs)
    try:
        _until(ours, "bees.md")
        (folder / "late.txt").write_text("The plumber comes on Wednesday at noon.\n")
        _until(ours, "late.txt")
        os.write(ours, b"When does the plumber come?\n")
        shown = _until(ours, "(late.txt:1)")
        assert "Wednesday" in shown
        os.write(ours, b"\n")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _until(terminal: int, words: str) -> str:
    text, end = "", time.monotonic() + 60
    while words not in text and time.monotonic() < end:
        text += ANSI.sub("", os.read(terminal, 65536).decode(errors="replace"))
    assert words in text
    return text


def test_the_chat_model_words_an_answer_from_what_stands_there(folder: Path) -> None:
    pytest.importorskip("xllamacpp")
    done = loom(
        "demo", "desk", "--folder", str(folder), "--json", "--ask", "When does the train to Frankfurt leave?"
    )
    [answer] = json.loads(done.stdout)["answers"]
    assert answer["hits"][0]["name"] == "Frankfurt trip.txt"
    assert answer.get("model") or answer.get("refused")
    if answer.get("model"):
        assert set(re.findall(r"\d+", answer["model"])) <= {"9", "12", "7", "41", "43"}
