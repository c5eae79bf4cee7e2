"""A child process as the killer holds it: lines in, lines out, and signals. Knows nothing of Loom."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Gone(Exception):
    """The process has ended, or does not answer any more."""


class Process:
    """One life of the runtime under test; what it writes to stderr is added to *errors*."""

    def __init__(self, arguments: list[str], errors: Path, environment: dict[str, str]) -> None:
        self.errors = errors
        with errors.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", *arguments],
                cwd=ROOT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
        self._told: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                if line.endswith(b"\n"):
                    self._told.put(json.loads(line))
        self._told.put(None)

    def say(self, **order: Any) -> None:
        """One line to the process; raises Gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Gone("its pipe is broken") from error

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next line it tells, None when there is none within *seconds*; raises Gone after its last one."""
        try:
            told = self._told.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if told is None:
            self._told.put(None)
            raise Gone(f"it ended with {self._process.wait()}")
        return told

    def last_words(self) -> list[dict[str, Any]]:
        """Everything it had still told before it died."""
        self._reader.join(10.0)
        found = []
        while (told := self._told.get()) is not None:
            found.append(told)
        self._told.put(None)
        return found

    def kill(self) -> None:
        """SIGKILL; returns when it is dead, closed stdin and all."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            return

    def stop_for(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT *seconds* later."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def trace(self) -> str:
        """Where its threads are, in its errors from now on; the last lines of them."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
        lines = self.errors.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if "/asyncio/" not in line][-12:])

    def wait(self, seconds: float) -> int | None:
        """Its exit status, None when it is still there after *seconds*."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
