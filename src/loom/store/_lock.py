"""The lock of a data folder: one process writes there, and another one is told which."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from loom.errors import StoreError, StoreFull, StoreLocked

NAME = "lock"


class FolderLock:
    """Holds *folder* for this process until ``release``; the operating system lets go when the process dies.

    Raises StoreLocked, naming the pid, when it is held already; StoreFull or StoreError when it cannot be written.
    """

    __slots__ = ("_file",)

    def __init__(self, folder: Path) -> None:
        self._file = -1
        try:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._take(folder)
        except OSError as error:
            self.release()
            raise unusable(folder / NAME, error) from error
        except StoreLocked:
            self.release()
            raise

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            raise StoreLocked(_held(folder, holder)) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the folder; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def make_folder(folder: Path) -> None:
    """Make *folder* for this user alone, to stay after a power loss; raises StoreFull or StoreError."""
    made = [each for each in folder.parents if not each.exists()]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise StoreError(f"{folder} is a file, not a folder; move it away, or use another folder") from error
    except OSError as error:
        raise unusable(folder, error) from error
    # Also when it was there: whoever made it may have died before its name was on disk.
    for each in (folder, *made):
        _sync_names(each.absolute().parent)


def _sync_names(folder: Path) -> None:
    with suppress(OSError):  # a folder that may not be read, or a file system that keeps names by itself
        opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def folder_bytes(folder: Path) -> int:
    """The size of all files in *folder*, those in folders below included."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # whoever writes may take a log away at any moment
            total += 0 if path.is_dir() else path.stat().st_size
    return total


def unusable(path: Path, error: OSError) -> StoreError:
    """The error of Loom for *path*, which the operating system would not make or write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"no space left for {path}: {error.strerror}; free some space and try again")
    return StoreError(
        f"cannot write {path}: {error.strerror}; give this user (uid {os.geteuid()}) the right to, use another folder, "
        "or open the store with read_only=True"
    )


def _held(folder: Path, holder: str) -> str:
    if holder == str(os.getpid()):
        return f"{folder} is open in this process already (pid {holder}); close that store first, or use it"
    who = holder or "unknown"
    return (
        f"{folder} is in use by process {who}; stop it first (kill {who}), use another folder, "
        "or open the store with read_only=True"
    )
