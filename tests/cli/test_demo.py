"""`loom demo camera`, as people run it: real frames, the real detector, their own pictures, no terminal, 40 columns."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from loom.adapters._camera_pictures import packaged_pictures
from tests.cli.command import loom, private, running

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures as people have them: one with a face, two without, one cut off, one that is none, and other files."""
    packaged, folder = packaged_pictures(), tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(packaged["astronaut.png"], folder / "Me On Holiday.PNG")
    for name in ("coffee.png", "rocket.jpg"):
        shutil.copy(packaged[name], folder)
    (folder / "cut off.jpg").write_bytes(packaged["rocket.jpg"].read_bytes()[:5000])
    (folder / "none.png").write_text("not a picture")
    (folder / "notes.txt").write_text("nothing to see")
    return folder


def test_the_packaged_scenes_prove_the_claim() -> None:
    done = loom("demo", "camera", "--seconds", "6", "--json")
    shown = json.loads(done.stdout)
    balanced = [queue["balanced"] for queue in shown["queues"].values()]
    assert balanced == [True, True, True]
    assert shown["left"] == shown["dead_letters"] == 0
    frames = shown["frames"]
    assert frames["looked_at"] > 0
    assert frames["made"] == frames["shed"] + shown["queues"]["Detector.look"]["offered"]
    assert shown["faces"]["found"] > 0
    assert shown["faces"]["expected"] > 0
    assert shown["greetings"] > 0
    assert shown["flood_pages"] > 0
    assert shown["queues"]["Librarian.index"]["delivered"] == shown["flood_pages"]
    assert set(shown["memory"]) == {"runtime", "camera", "faces"}
    failed = [check["text"] for check in shown["checks"] if not check["ok"]]
    assert [text for text in failed if "late" not in text] == []  # a busy machine is not the demo's fault
    assert done.returncode == (1 if failed else 0)


def test_pictures_of_the_user_are_looked_at_and_broken_ones_named(pictures: Path) -> None:
    done = loom("demo", "camera", "--frames", str(pictures), "--seconds", "7", "--json")
    shown = json.loads(done.stdout)
    assert shown["pictures"] == {"Me On Holiday.PNG": 1, "coffee.png": 0, "rocket.jpg": 0}
    assert shown["unreadable"]["count"] == 2
    assert any("cut off.jpg cannot be read" in each for each in shown["unreadable"]["last"])
    assert any("none.png cannot be read" in each for each in shown["unreadable"]["last"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "No such file or directory"),
        (lambda folder: folder.mkdir(), "has no picture"),
        (lambda folder: (folder.mkdir(), (folder / "x.png").write_text("x")), "none of the pictures in"),
    ],
)
def test_a_folder_without_pictures_is_one_line_and_code_2(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "pictures")
    done = loom("demo", "camera", "--frames", str(tmp_path / "pictures"), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_prints_the_summary(number: signal.Signals) -> None:
    with running("demo", "camera", "--seconds", "600", "--plain") as command:
        command.until("faces ·")
        command.signal(number)
        command.end()
    assert "yes  accepted events left undone: 0" in command.text
    assert "yes  the books balance for all 3 queues" in command.text
    assert "Traceback" not in command.text


def test_without_a_terminal_it_prints_plain_lines(tmp_path: Path) -> None:
    with running("demo", "camera", "--seconds", "3", env=private(tmp_path, COLUMNS="72")) as command:
        command.end()
    assert "\x1b" not in command.text
    assert re.search(r"\d+ frames \(\d+/s\) · \d+ faces", command.text)
    assert max(map(len, command.text.splitlines())) <= 72


def test_a_terminal_of_40_columns_shows_everything(tmp_path: Path) -> None:
    pytest.importorskip("rich")
    with running(
        "demo", "camera", "--seconds", "3", env=private(tmp_path, TERM="xterm"), columns=40
    ) as command:
        command.until("workers")
        live = command.text
        command.end()
    summary = ANSI.sub("", command.text.rpartition("\x1b")[2]).replace("\r", "")
    assert "\x1b[" in live
    for words in ("events", "REALTIME greeting", "Detector.look", "memory"):
        assert words in command.text
    assert max(map(len, summary.splitlines())) <= 40


def children(pid: int) -> list[int]:
    """The processes that *pid* has started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the workers")
def test_a_camera_that_dies_ends_the_demo_with_what_was_seen() -> None:
    with running("demo", "camera", "--seconds", "600", "--plain") as command:
        command.until("faces ·")
        for pid in children(command.process.pid):
            os.kill(pid, signal.SIGKILL)
        assert command.end() == 1
    assert re.search(r"^(yes|NO ) +frames went through the detector: \d", command.text, re.MULTILINE)
    assert "the camera stopped: worker 'camera'" in command.text
    assert "Traceback" not in command.text.partition("milliseconds")[2]
