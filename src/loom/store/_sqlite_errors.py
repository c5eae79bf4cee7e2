"""What SQLite reports, as the errors of Loom."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from loom.errors import StoreCorrupt, StoreError, StoreFormat, StoreFull, StoreLocked

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
_FSYNC = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_SHORT = sqlite3.SQLITE_IOERR_SHORT_READ
Failure = sqlite3.Error | UnicodeDecodeError
FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises: its errors quote a damaged schema, and when that is no text Python says so instead."""


def code(error: Failure) -> int:
    """SQLite's extended code of *error*; 0 when it has none."""
    return getattr(error, "sqlite_errorcode", None) or 0


def lost_sync(error: Failure) -> bool:
    """Whether the disk did not confirm what it was given: what it holds then, nobody knows until it is read again."""
    return code(error) in _FSYNC


def typed(error: Failure, file: Path) -> StoreError:
    """The error of Loom for *error*, which came up at *file*; its message says what to do."""
    if isinstance(error, UnicodeDecodeError):
        return damaged(file, f"its schema is no text any more ({error.reason})")
    extended = code(error)
    match extended & 0xFF:
        case sqlite3.SQLITE_NOTADB:
            return StoreFormat(
                f"{file} is no store of Loom: {error}; move it away, or use another folder. If it was a store, its "
                f"beginning is damaged: `loom store repair {file.parent}` keeps it aside and saves what can be read"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_FORMAT:
            return damaged(file, str(error))
        case sqlite3.SQLITE_READONLY:
            return StoreFull(
                f"{file} may not be written: {error}; give this user the right to, then try again"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(_strangers(file, error))
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(
                f"cannot open {file}: {error}; it must be a file that this user (uid {os.geteuid()}) may read "
                "and write, in a folder where this user may write"
            )
    if extended in _FULL:
        return StoreFull(
            f"no space left for {file}: {error}; nothing of this was kept, free some space and try again"
        )
    if extended == _SHORT:
        return damaged(file, f"{error}, it ends too early")
    return StoreError(
        f"{file}: {error} ({getattr(error, 'sqlite_errorname', 'no code')}); look at the disk and its log"
    )


def damaged(file: Path, what: str) -> StoreCorrupt:
    """The error for *file*, which holds what it should not."""
    return StoreCorrupt(
        f"{file} is damaged: {what}; run `loom store verify {file.parent}` to see where, then "
        f"`loom store repair {file.parent}` (it keeps the damaged files), or go back to a backup"
    )


def _strangers(file: Path, error: sqlite3.Error) -> str:
    pids = holders(file)
    who = f"process {' and '.join(map(str, pids))}" if pids else "another program"
    return f"{file} is locked by {who}: {error}; close it there, then try again (nothing of this was kept)"


def holders(file: Path) -> list[int]:
    """The other processes that hold a lock on *file* or its index for writing, as far as the system tells."""
    try:
        inodes = {
            str(Path(f"{file}{end}").stat().st_ino) for end in ("", "-shm") if Path(f"{file}{end}").exists()
        }
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines]  # "7: POSIX ADVISORY WRITE 1234 fe:01:5678 120 120"
    found = {int(r[4]) for r in rows if len(r) == 8 and r[3] == "WRITE" and r[5].rpartition(":")[2] in inodes}
    return sorted(found - {os.getpid()})
