"""Builds powerlog.c and runs a program under it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("powerlog.c")


class NoCompiler(Exception):
    """There is no C compiler, or the one there is cannot build a library to preload here."""


@functools.cache
def library() -> Path:
    """The library, built once for each process; raises NoCompiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or os.uname().sysname != "Linux":
        raise NoCompiler(
            "power loss needs Linux and a C compiler (cc); install one: apt-get install gcc libc6-dev"
        )
    built = Path(tempfile.mkdtemp(prefix="loom-powerlog-")) / "powerlog.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompiler(f"{' '.join(command)} failed:\n{done.stderr}")
    return built


def environment(
    folder: Path, log: Path | None, ack: int | None = None, control: Path | None = None
) -> dict[str, str]:
    """What the environment needs so that calls on *folder* are logged to *log* and fail as *control* says."""
    found = {"LD_PRELOAD": str(library()), "POWERLOG_FOLDER": str(folder)}
    if log is not None:
        found["POWERLOG_FILE"] = str(log)
    if ack is not None:
        found["POWERLOG_ACK"] = str(ack)
    if control is not None:
        found["POWERLOG_CONTROL"] = str(control)
    return found


class Fault:
    """The switch that makes calls fail in a running program; see powerlog.c for the numbers."""

    WORKS, FULL, READ_ONLY, BROKEN, HALF = range(5)

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(4096))

    def set(self, mode: int) -> None:
        """From now on."""
        with self.path.open("r+b") as file:
            file.write(mode.to_bytes(4, "little"))
