"""What SQLite reports, as the errors of Loom."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from loom.errors import StoreCorrupt, StoreError, StoreFormat, StoreFull, StoreLocked

_SPACE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def typed(error: sqlite3.Error, file: Path) -> StoreError:
    """The error of Loom for *error*, which came up at *file*; its message says what to do."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_NOTADB:
        return StoreFormat(f"{file} is no store of Loom: {error}; move it away, or use another folder")
    if primary in _DAMAGE:
        return StoreCorrupt(
            f"{file} is damaged: {error}; run `loom store verify {file.parent}` to see where, then "
            f"`loom store repair {file.parent}` (which keeps a copy), or restore a backup"
        )
    if primary == sqlite3.SQLITE_FULL or code in _SPACE:
        return StoreFull(
            f"no space left for {file}: {error}; nothing of this write was kept, free some space and try again"
        )
    if primary == sqlite3.SQLITE_READONLY:
        return StoreFull(
            f"{file} may not be written: {error}; give this user the right to write, then try again"
        )
    if primary in _BUSY:
        return StoreLocked(
            f"{file} is locked by another program than Loom (this is process {os.getpid()}): {error}; "
            f"see `fuser {file}` for its pid and close it there"
        )
    return StoreError(f"{file}: {error} ({getattr(error, 'sqlite_errorname', 'no code')})")
