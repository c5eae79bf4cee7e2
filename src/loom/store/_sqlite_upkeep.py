"""Looking after the file of a store: whether it is whole, a copy of it, and giving its free space back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from loom.errors import StoreError, StoreFull
from loom.store._keys import FAMILIES
from loom.store._lock import make_folder, unusable
from loom.store._sqlite_connect import FILE, connect, one, reader
from loom.store._sqlite_errors import FAILURES, typed
from loom.store._sqlite_keys import Garbled, outside, value_of
from loom.store._sqlite_schema import TABLES
from loom.store.families import Family


def verify(file: Path) -> Iterator[str]:
    """One line for each thing in *file* that is broken; reads all of it."""
    try:
        connection = reader(file)
    except (*FAILURES, StoreError) as error:
        yield f"{file.name}: {error}"
        return
    try:
        broken = [
            line.decode("utf-8", "replace") for (line,) in connection.execute("PRAGMA integrity_check(1000)")
        ]
        yield from (f"{file.name}: {line}" for line in broken if line != "ok")
        if broken == ["ok"]:
            for table in TABLES:
                yield from (f"{file.name}: {line}" for line in _garbled(connection, table))
    except FAILURES as error:
        yield f"{file.name}: {error}"
    finally:
        connection.close()


def _garbled(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Rows that SQLite finds sound and that no Loom has written."""
    for key, value in connection.execute(f"SELECT k, v FROM {table}"):  # noqa: S608 - one of three names
        family = Family.JOURNAL if table == "journal" else FAMILIES.get(key[0]) if key else None
        try:
            if family is None:
                raise Garbled(f"the key {key!r} is of no known family")
            outside(family, key)
            value_of(family, key, value)
        except (Garbled, TypeError) as error:
            yield str(error)


def backup(file: Path, folder: Path) -> None:
    """Copy *file* as it is now into *folder*, where it has its name only when all of it is on disk."""
    make_folder(folder)
    target, part = folder / FILE, folder / f"{FILE}.part"
    if target.exists():
        raise StoreError(f"{folder} holds a store already; give another folder")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _copy(file, part)
        part.rename(target)
        flush(folder)
    except FAILURES as error:
        raise typed(error, part) from error
    except OSError as error:
        raise unusable(target, error) from error
    finally:
        part.unlink(missing_ok=True)


def _copy(file: Path, part: Path) -> None:
    source = reader(file)
    try:
        copy = connect(part, "rw")
        try:
            source.backup(copy)  # in one step: the copy is of one moment
        finally:
            copy.close()
    finally:
        source.close()
    flush(part)


def flush(path: Path) -> None:
    """Return when *path*, a file or a folder, is on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def compact(connection: sqlite3.Connection, file: Path) -> None:
    """Write *file* anew without its gaps; raises StoreFull when there is no room for the second copy."""
    pages = one(connection, "PRAGMA page_count") - one(connection, "PRAGMA freelist_count")
    # A copy, and the log of putting it back.
    needed = 2 * pages * one(connection, "PRAGMA page_size") + (1 << 20)
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        raise StoreFull(
            f"compacting {file} takes {needed:,} bytes for a while and {free:,} are free; free some space first"
        )
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
