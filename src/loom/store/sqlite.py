"""A store in one SQLite file: needs nothing but the standard library."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from loom.errors import Closed, StoreError, StoreFormat
from loom.store import _format
from loom.store import _sqlite_schema as schema
from loom.store._lock import FolderLock
from loom.store._sqlite_errors import typed
from loom.store._sqlite_keys import bounds, inside, outside
from loom.store._sqlite_write import statements
from loom.store.backend import Put
from loom.store.families import Family

FILE = "loom.db"
WAL_BOUND = 32 << 20  # bytes written after which the log is folded into the main file


class SqliteBackend:
    """Keeps a store in ``folder/loom.db``; the folder is made when it is not there.

    One thread writes (``write``, ``remove``, ``checkpoint``, ``compact``); any thread reads. *read_only* needs no lock
    and sees what another process writes. Raises StoreLocked, naming the pid, when another process has the folder,
    StoreFormat for a file that is no store of this version, StoreError when the folder cannot be used.
    """

    __slots__ = (
        "_file",
        "_guard",
        "_lock",
        "_reader",
        "_sync",
        "_unfolded",
        "_writer",
        "folder",
        "read_only",
    )

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self.folder, self.read_only = Path(folder), read_only
        self._file = self.folder / FILE
        self._guard = threading.Lock()
        self._sync, self._unfolded = True, 0
        self._lock: FolderLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        try:
            self._open()
        except sqlite3.Error as error:
            self.close()
            raise typed(error, self._file) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if not self.read_only:
            make_folder(self.folder)
            self._lock = FolderLock(self.folder)
            self._writer = _connect(self._file, "rwc")
            _prepare(self._writer)
        elif not self._file.exists():
            raise StoreError(
                f"there is no store in {self.folder}; check the path, or open it without read_only"
            )
        self._reader = _connect(self._file, "ro")
        _format.check(self.get(Family.META, _format.KEY), str(self._file))

    # -- writing

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        """Keep all of *puts* in order, the last one of a key wins; return when they are on disk if *sync*."""
        work = list(statements(puts))
        self._change(work, sync)
        self._unfolded += sum([len(put[2] or b"") + 100 for put in puts])
        if self._unfolded > WAL_BOUND:
            self.checkpoint()

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        """Take away every key with ``start <= key < end``, as a write of its own."""
        self._change([(schema.READS[family].remove, bounds(family, start, end))], True)

    def _change(self, work: Sequence[tuple[str, Sequence[Any]]], sync: bool) -> None:
        connection = self._writing()
        try:
            if sync is not self._sync:
                connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
                self._sync = sync
            if len(work) == 1:  # one statement is a transaction of its own
                connection.execute(*work[0])
            elif work:
                _transact(connection, work)
        except sqlite3.Error as error:
            raise typed(error, self._file) from error

    def checkpoint(self) -> None:
        """Fold the log of recent writes into the main file."""
        self._unfolded = 0
        try:
            self._writing().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            raise typed(error, self._file) from error

    def compact(self) -> None:
        """Give the space of what was taken away back to the file system."""
        try:
            self._writing().execute("VACUUM")
        except sqlite3.Error as error:
            raise typed(error, self._file) from error

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            raise (
                StoreError(f"{self.folder} is open read-only")
                if self._reader
                else Closed(f"{self.folder} is closed")
            )
        return self._writer

    # -- reading

    def get(self, family: Family, key: bytes) -> bytes | None:
        """What is kept under *key*, or None."""
        found = self._read(schema.READS[family].get, (inside(family, key),))
        return found[0][0] if found else None

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        """At most *limit* pairs with ``start <= key < end`` (no end: to the last), in order."""
        found = self._read(schema.READS[family].scan, (*bounds(family, start, end), limit))
        if family is Family.JOURNAL:
            return [(k.to_bytes(8, "big"), v) for k, v in found]
        return [(k[1:], v) for k, v in found]

    def last(self, family: Family) -> bytes | None:
        """The greatest key of *family*, or None."""
        found = self._read(schema.READS[family].last, bounds(family, b"", None))
        return outside(family, found[0][0]) if found else None

    def count(self, family: Family) -> int:
        """How many keys *family* has; takes time in proportion."""
        return int(self._read(schema.READS[family].many, bounds(family, b"", None))[0][0])

    def _read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._guard:
            if self._reader is None:
                raise Closed(f"{self.folder} is closed")
            try:
                return self._reader.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise typed(error, self._file) from error

    def nbytes(self) -> int:
        """Bytes on disk, everything included."""
        return sum(entry.stat().st_size for entry in os.scandir(self.folder) if entry.name.startswith(FILE))

    def verify(self) -> Iterator[str]:
        """One line for each thing that is broken; nothing when all is well."""
        for (line,) in self._read("PRAGMA integrity_check"):
            if line != "ok":
                yield str(line)

    def backup(self, folder: str) -> None:
        """Write a consistent copy that can be opened into *folder*, while the original is in use."""
        target = Path(folder)
        make_folder(target)
        if (target / FILE).exists():
            raise StoreError(f"{target} holds a store already; give another folder")
        source, copy = _connect(self._file, "ro"), _connect(target / FILE, "rwc")
        try:
            source.backup(copy)
        finally:
            source.close()
            copy.close()

    def close(self) -> None:
        """Release files and locks; closing twice does nothing."""
        with self._guard:
            reader, self._reader = self._reader, None
            writer, self._writer = self._writer, None
        for connection in (reader, writer):
            if connection is not None:
                connection.close()
        if self._lock is not None:
            self._lock.release()


def make_folder(folder: Path) -> None:
    """Make *folder* for this user alone; raises StoreError when that cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the data folder {folder}: {error.strerror}; use another one"
        ) from error


def _connect(file: Path, mode: str) -> sqlite3.Connection:
    if mode == "rwc" and not file.exists():
        os.close(os.open(file, os.O_CREAT | os.O_CLOEXEC, 0o600))  # its log gets the same rights from SQLite
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        timeout=5.0,
    )
    connection.execute("PRAGMA mmap_size = 0")
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, and set what is set at each opening."""
    new = connection.execute("PRAGMA schema_version").fetchone()[0] == 0
    if new:
        connection.execute(f"PRAGMA page_size = {schema.PAGE}")
    elif connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION:
        raise StoreFormat("this is a SQLite database, but no store of Loom; use another folder")
    connection.execute("PRAGMA journal_mode = WAL")
    for setting in (
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        "secure_delete = ON",
        "cache_size = -16384",
    ):
        connection.execute(f"PRAGMA {setting}")
    if new:
        _make(connection)


def _make(connection: sqlite3.Connection) -> None:
    meta = Put(Family.META, _format.KEY, b"%d" % _format.VERSION)
    _transact(connection, [*((sql, ()) for sql in schema.CREATE), *statements([meta])])


def _transact(connection: sqlite3.Connection, work: Sequence[tuple[str, Sequence[Any]]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, parameters in work:
            connection.execute(sql, parameters)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
