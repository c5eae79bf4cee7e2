"""A store in one SQLite file: needs nothing but the standard library."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from loom.errors import Closed, StoreError
from loom.store import _format, _sqlite_upkeep
from loom.store._lock import FolderLock, folder_bytes, make_folder
from loom.store._sqlite_connect import FILE, PATIENCE, reader, transact, writer
from loom.store._sqlite_errors import FAILURES, Failure, damaged, lost_sync, typed
from loom.store._sqlite_keys import Garbled, bounds, inside, led, outside
from loom.store._sqlite_schema import READS
from loom.store._sqlite_write import statements
from loom.store.backend import Put
from loom.store.families import Family
from loom.store.opening import refuse_other

T = TypeVar("T")


class SqliteBackend:
    """Keeps a store in ``folder/loom.db``; the folder is made when it is not there.

    One thread writes (``write``, ``remove``, ``checkpoint``, ``compact``); any thread reads. *read_only* needs no lock
    and sees what another process writes. Raises StoreLocked, naming the pid, when another process has the folder,
    StoreFormat for a file that is no store of this version, StoreCorrupt for a damaged one, StoreError when the folder
    cannot be used.
    """

    __slots__ = ("_file", "_guard", "_lock", "_lost", "_reader", "_sync", "_writer", "folder", "read_only")

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self.folder, self.read_only = Path(folder), read_only
        self._file = self.folder / FILE
        self._guard = threading.Lock()
        self._sync, self._lost = True, False
        self._lock: FolderLock | None = None
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        try:
            self._open()
        except FAILURES as error:
            self.close()
            raise typed(error, self._file) from error
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        refuse_other(self.folder, "sqlite")
        if not self.read_only:
            make_folder(self.folder)
            self._lock = FolderLock(self.folder)
            self._writer = writer(self._file)
        self._reader = reader(self._file)
        _format.bring(self, str(self._file), self.read_only)

    # -- writing

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        """Keep all of *puts* in order, the last one of a key wins; return when they are on disk if *sync*.

        Raises StoreFull when there is no space, StoreLocked when a program that is no Loom locks the file, StoreError
        otherwise, and then nothing of it is kept. When the disk itself fails to confirm, what it holds is unknown:
        every later write raises StoreError until the store has been opened again.
        """
        self._change(list(statements(puts)), sync)

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        """Take away every key with ``start <= key < end``, as a write of its own."""
        self._change([(READS[family].remove, bounds(family, start, end))], True)

    def _change(self, work: Sequence[tuple[str, Sequence[Any]]], sync: bool) -> None:
        connection = self._writing()
        try:
            if sync is not self._sync:
                connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
                self._sync = sync
            if len(work) == 1:  # one statement is a transaction of its own
                connection.execute(*work[0])
            elif work:
                transact(connection, work)
        except FAILURES as error:
            raise self._failed(error) from error

    def checkpoint(self) -> None:
        """Fold the log of recent writes into the main file, and give its space back unless somebody still reads it."""
        connection = self._writing()
        try:
            connection.execute("PRAGMA busy_timeout = 200")  # nobody waits for a longer reader
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
        except FAILURES as error:
            raise self._failed(error) from error

    def compact(self) -> None:
        """Give the space of what was taken away back to the file system; needs room for a second copy for a while."""
        try:
            _sqlite_upkeep.compact(self._writing(), self._file)
        except FAILURES as error:
            raise self._failed(error) from error

    def _failed(self, error: Failure) -> StoreError:
        self._lost = self._lost or lost_sync(error)
        return typed(error, self._file)

    def _writing(self) -> sqlite3.Connection:
        if self._lost:
            raise StoreError(
                f"the disk did not confirm an earlier write to {self._file}; look at its log, then open the store again"
            )
        if self._writer is None:
            if self.read_only and self._reader is not None:
                raise StoreError(f"{self.folder} is open with read_only=True; open it without to write")
            raise Closed(f"{self.folder} is closed")
        return self._writer

    # -- reading

    def get(self, family: Family, key: bytes) -> bytes | None:
        """What is kept under *key*, or None."""
        place = inside(family, key)
        found = self._read(READS[family].get, (place,))
        return self._sound(lambda: led(family, place, *found[0])) if found else None

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        """At most *limit* pairs with ``start <= key < end`` (no end: to the last), in order."""
        found = self._read(READS[family].scan, (*bounds(family, start, end), limit))
        return self._sound(lambda: [(outside(family, k), led(family, k, *row)) for k, *row in found])

    def last(self, family: Family) -> bytes | None:
        """The greatest key of *family*, or None."""
        found = self._read(READS[family].last, bounds(family, b"", None))
        return self._sound(lambda: outside(family, found[0][0])) if found else None

    def count(self, family: Family) -> int:
        """How many keys *family* has; takes time in proportion."""
        return int(self._read(READS[family].many, bounds(family, b"", None))[0][0])

    def _sound(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except Garbled as error:
            raise damaged(self._file, str(error)) from error

    def _read(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        with self._guard:
            if self._reader is None:
                raise Closed(f"{self.folder} is closed")
            try:
                return self._reader.execute(sql, parameters).fetchall()
            except FAILURES as error:
                raise typed(error, self._file) from error

    def nbytes(self) -> int:
        """Bytes on disk, everything included."""
        return folder_bytes(self.folder)

    # -- upkeep

    def verify(self) -> Iterator[str]:
        """One line for each thing that is broken; nothing when all is well. Reads the whole file."""
        return _sqlite_upkeep.verify(self._file)

    def backup(self, folder: str) -> None:
        """Write a consistent copy that can be opened into *folder*, while the original is in use.

        Raises StoreError when *folder* holds a store already, StoreFull when it has no room.
        """
        _sqlite_upkeep.backup(self._file, Path(folder))

    def close(self) -> None:
        """Release files and locks; closing twice does nothing."""
        with self._guard:
            connections = (self._reader, self._writer)  # the writer last: then it folds its log in
            self._reader = self._writer = None
        for connection in connections:
            if connection is not None:
                connection.close()
        if self._lock is not None:
            self._lock.release()
