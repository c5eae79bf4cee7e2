"""One run of a program: an argument list, no shell, no input, a bounded output, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loom.errors import ActionFailed

PATH = "/usr/local/bin:/usr/bin:/bin"
_LINGER = 1.0
"""Seconds that output may still come after the program has ended: somebody else may hold its pipes open."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit *code* (negative: the signal), its output as text, and the bytes left out of it."""

    code: int
    out: str
    err: str
    cut: int


def environment(extra: Mapping[str, str] | None = None, passed: Sequence[str] = ()) -> dict[str, str]:
    """A minimal environment: PATH and LANG, those of *passed* that are set here, and *extra*."""
    own = {name: os.environ[name] for name in passed if name in os.environ}
    return {"PATH": PATH, "LANG": "C.UTF-8", **own, **(extra or {})}


async def run_program(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path | None = None,
    limit: int = 1_000_000,
) -> Ended:
    """Run *command*, whose first part is an absolute path, in a process group of its own, and wait for its end.

    Of each of its two outputs the first *limit* bytes are kept. The whole group is killed when it has ended or when
    this is cancelled. Raises ActionFailed when it cannot be started.
    """
    loop = asyncio.get_running_loop()
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    try:
        transport, run = await loop.subprocess_exec(
            lambda: _Run(limit),
            *command,
            stdin=nothing,
            stdout=pipe,
            stderr=pipe,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ActionFailed(f"{command[0]} cannot be started: {error}") from error
    group = transport.get_pid()
    try:
        await run.exited.wait()
        _kill(group)  # what it started and left in its group
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await run.closed.wait()
    finally:
        _kill(group)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                await run.exited.wait()  # so that nothing of it is left, not even its number
        transport.close()
    code = transport.get_returncode()
    assert code is not None
    out, err = (bytes(run.kept[number]).decode("utf-8", "replace") for number in (1, 2))
    return Ended(code, out, err, run.cut)


class _Run(asyncio.SubprocessProtocol):
    """The beginnings of both outputs; the rest is read, so that nobody waits, and counted.

    The end of the program is told apart from the end of its output, which others may hold open.
    """

    def __init__(self, limit: int) -> None:
        self.kept = {1: bytearray(), 2: bytearray()}
        self.cut = 0
        self.exited, self.closed = asyncio.Event(), asyncio.Event()
        self._limit = limit
        self._open = {1, 2}

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        room = self._limit - len(self.kept[fd])
        self.kept[fd] += data[:room]
        self.cut += max(0, len(data) - room)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self.closed.set()

    def process_exited(self) -> None:
        self.exited.set()


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # ended, or (on macOS) only its remains are left
        pass
