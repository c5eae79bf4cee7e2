"""Connections to the file of a store, and whether that file is one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loom.errors import StoreError, StoreFormat
from loom.store import _format, _sqlite_errors
from loom.store._lock import unusable
from loom.store._sqlite_keys import Garbled, inside, value_of
from loom.store._sqlite_schema import APPLICATION, CREATE, PAGE, READS
from loom.store._sqlite_write import statements
from loom.store.families import Family

FILE = "loom.db"
WAL_BOUND = 16 << 20  # bytes; a write that fills the log up to here folds it in, once it has been kept
PATIENCE = 5.0  # seconds to wait for a program that is no Loom and locks the file

_EACH = ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0")
_WRITER = (
    f"wal_autocheckpoint = {WAL_BOUND // PAGE}",  # what goes wrong there, a later write tries again
    "synchronous = FULL",
    "fullfsync = ON",  # macOS: an ordinary fsync does not reach the disk
    "checkpoint_fullfsync = ON",
    f"journal_size_limit = {WAL_BOUND}",
    "secure_delete = ON",
    "cache_size = -16384",
)


def connect(file: Path, mode: str) -> sqlite3.Connection:
    """A connection to *file*; *mode* is "rw", "ro", or "immutable" for a file nobody writes."""
    how = "immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        timeout=PATIENCE,
    )
    connection.text_factory = bytes  # damaged rows may say they are text
    set_all(connection, _EACH)
    return connection


def set_all(connection: sqlite3.Connection, settings: Sequence[str]) -> None:
    """Set what SQLite calls pragmas, one after the other."""
    for setting in settings:
        connection.execute(f"PRAGMA {setting}")


def writer(file: Path) -> sqlite3.Connection:
    """A connection that writes *file*, which is made when it is not there; raises StoreFormat for a foreign one."""
    try:
        # Its log and its index get the same rights from SQLite.
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise unusable(file, error) from error
    connection = connect(_plain(file), "rw")
    try:
        new = one(connection, "PRAGMA schema_version") == 0
        if new:
            set_all(connection, [f"page_size = {PAGE}"])
        else:
            identify(connection, file)
        set_all(connection, ["journal_mode = WAL", *_WRITER])
        if new:
            transact(connection, [*((sql, ()) for sql in CREATE), *statements([_format.stamp()])])
    except BaseException:
        connection.close()
        raise
    return connection


def reader(file: Path) -> sqlite3.Connection:
    """A connection that reads *file* while somebody else may write it; raises StoreFormat for a foreign one."""
    if not file.exists():
        raise StoreError(
            f"there is no store in {file.parent}; check the path, or open it without read_only=True"
        )
    connection = connect(_plain(file), "ro")
    try:
        identify(connection, file)
    except sqlite3.OperationalError as error:
        connection.close()
        if _sqlite_errors.code(error) & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        connection = _still(file, error)
    except BaseException:
        connection.close()
        raise
    return connection


def _plain(file: Path) -> Path:
    if not file.is_file():
        raise StoreError(f"cannot open {file}: it is no plain file; move it away, or use another folder")
    return file


def _still(file: Path, error: sqlite3.Error) -> sqlite3.Connection:
    """For a folder in which nothing can be written: the file alone, when it has no log beside it."""
    if Path(f"{file}-wal").exists():
        raise StoreError(
            f"{file} has a log that is not folded in, and this user may not write in {file.parent}: {error}; "
            "open it once with the right to write, or copy the folder"
        ) from error
    connection = connect(file, "immutable")
    try:
        identify(connection, file)
    except BaseException:
        connection.close()
        raise
    return connection


def identify(connection: sqlite3.Connection, file: Path) -> None:
    """Raise StoreFormat unless *file* is a store whose tables are those of this Loom."""
    found = one(connection, "PRAGMA application_id")
    if found != APPLICATION:
        raise StoreFormat(
            f"{file} is a SQLite database, but no store of Loom (application {found}); use another folder"
        )
    _format.check(_version(connection, file), str(file))
    tables = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
    if tables != {sql.encode() for sql in CREATE if not sql.startswith("PRAGMA")}:
        raise StoreFormat(f"{file} has other tables than a store of Loom has; use another folder")


def _version(connection: sqlite3.Connection, file: Path) -> bytes | None:
    place = inside(Family.META, _format.KEY)
    try:
        found = one(connection, READS[Family.META].get, (place,))
        return None if found is None else value_of(Family.META, place, found)
    except Garbled as error:
        raise _sqlite_errors.damaged(file, str(error)) from error
    except sqlite3.OperationalError as error:
        if _sqlite_errors.code(error) != sqlite3.SQLITE_ERROR:  # that one says: no such table
            raise
        return None


def one(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()) -> Any:
    """The first value that *sql* finds, or None."""
    found = connection.execute(sql, parameters).fetchone()
    return None if found is None else found[0]


def transact(connection: sqlite3.Connection, work: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Run *work*, all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, parameters in work:
            connection.execute(sql, parameters)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
