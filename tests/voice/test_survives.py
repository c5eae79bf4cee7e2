"""What the assistant knows outlives its process: kill -9, and the timer still rings, the conversation goes on."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


class Assistant:
    """An assistant in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def hear(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def until(self, word: str) -> str:
        """The first line it prints with *word* in it."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if word in line:
                return line.strip()
        raise AssertionError(f"it ended without {word!r}")


@contextmanager
def assistant(folder: Path) -> Iterator[Assistant]:
    """One that is killed at the end."""
    command = [sys.executable, "-m", "tests.voice.assistant_process", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        made = Assistant(process)
        made.until("ready")
        try:
            yield made
        finally:
            process.kill()


def test_a_timer_set_before_kill_9_rings_after_it(tmp_path: Path) -> None:
    with assistant(tmp_path) as first:
        first.hear("set a timer")
        assert first.until("said") == "said For how long?"
        first.hear("ten seconds")
        assert first.until("said") == "said Timer set for 10 seconds."
        first.hear("is the timer still running")
        assert "left." in first.until("left")
    with assistant(tmp_path) as second:
        assert second.until("is up") == "said Your timer for 10 seconds is up."
        second.hear("is the timer still running")
        assert second.until("said") == "said No timer is running."


def test_the_conversation_is_remembered_over_kill_9(tmp_path: Path) -> None:
    with assistant(tmp_path) as first:
        first.hear("tell me about 7")
        first.until("ends 7")
        first.hear("say that again")
        assert "ends 7" in first.until("ends 7")
    with assistant(tmp_path) as second:
        second.hear("say that again")
        assert "Answer 7 begins here." in second.until("said")
