"""Running the command `loom` as people do: a process of its own, with or without a terminal."""

import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

LIMIT = 60.0
COMMAND = (sys.executable, "-m", "loom.cli")


def loom(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, without a terminal."""
    given = {"capture_output": True, "text": True, "timeout": LIMIT, "stdin": subprocess.DEVNULL, **options}
    return subprocess.run([*COMMAND, *arguments], **given)


class Running:
    """A running command whose output can be waited for."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.text = ""
        self._output = output

    def until(self, words: str) -> str:
        """Read until *words* were written; fails when the command ends before."""
        while words not in self.text:
            chunk = self._read()
            assert chunk, f"ended without {words!r}:\n{self.text}"
        return self.text

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT)

    def _read(self) -> str:
        try:
            chunk = os.read(self._output, 65536).decode(errors="replace")
        except OSError:  # a terminal whose other side was closed
            chunk = ""
        self.text += chunk
        return chunk


@contextmanager
def running(*arguments: str, columns: int | None = None, **options: Any) -> Iterator[Running]:
    """Start the command; with *columns*, on a terminal of that width. It is killed at the end if it still runs."""
    ours, theirs = os.pipe() if columns is None else pty.openpty()
    if columns is not None:
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs if columns else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        **options,
    )
    os.close(theirs)
    try:
        yield Running(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LIMIT)
        os.close(ours)


def private(folder: Path, **more: str) -> Mapping[str, str]:
    """An environment whose runtime folder is *folder*."""
    return {**os.environ, "XDG_RUNTIME_DIR": str(folder), **more}
