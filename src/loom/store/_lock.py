"""The lock of a data folder: one process writes there, and another one is told which."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from loom.errors import StoreError, StoreLocked

NAME = "lock"


class FolderLock:
    """Holds *folder* for this process until ``release``; the operating system lets go when the process dies.

    Raises StoreLocked, naming the pid, when it is held already, StoreError when the lock's file cannot be written.
    """

    __slots__ = ("_file",)

    def __init__(self, folder: Path) -> None:
        path = folder / NAME
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot write {path}: {error.strerror}; give this user the right to write there, "
                "or open the store with read_only=True"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            self.release()
            raise StoreLocked(_held(folder, holder)) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the folder; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _held(folder: Path, holder: str) -> str:
    if holder == str(os.getpid()):
        return f"{folder} is open in this process already (pid {holder}); close that store first, or use it"
    who = holder or "unknown"
    return (
        f"{folder} is in use by process {who}; stop it first (kill {who}), use another folder, "
        "or open the store with read_only=True"
    )
