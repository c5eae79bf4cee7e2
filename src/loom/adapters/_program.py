"""One run of a program: an argument list, no shell, no input, a bounded output, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loom.errors import ActionFailed

PATH = "/usr/local/bin:/usr/bin:/bin"
_PIECE = 65_536
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
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(env),
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise ActionFailed(f"{command[0]} cannot be started: {error}") from error
    assert process.stdout is not None
    assert process.stderr is not None
    outputs = [_Kept(process.stdout, limit), _Kept(process.stderr, limit)]
    readers = [asyncio.ensure_future(output.read()) for output in outputs]
    try:
        await process.wait()
        _kill(process.pid)  # what it started and left in its group
        await asyncio.wait(readers, timeout=_LINGER)
    finally:
        _kill(process.pid)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await process.wait()
    out, err = (bytes(output.kept).decode("utf-8", "replace") for output in outputs)
    assert process.returncode is not None
    return Ended(process.returncode, out, err, sum(output.cut for output in outputs))


class _Kept:
    """The beginning of a stream; the rest is read, so that nobody waits, and counted."""

    def __init__(self, stream: asyncio.StreamReader, limit: int) -> None:
        self.kept = bytearray()
        self.cut = 0
        self._stream = stream
        self._limit = limit

    async def read(self) -> None:
        while piece := await self._stream.read(_PIECE):
            room = self._limit - len(self.kept)
            self.kept += piece[:room]
            self.cut += max(0, len(piece) - room)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # ended, or (on macOS) only its remains are left
        pass
