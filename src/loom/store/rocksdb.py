"""A store in RocksDB (the extra `rocksdb`): several times faster than SQLite when much is written, at more memory."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from rocksdict import Rdict, WriteBatch, WriteOptions

from loom.errors import Closed, LoomError, StoreError, StoreFull
from loom.store import _format, _rocksdb_upkeep
from loom.store._keys import JOURNAL, PREFIX, bounds, row
from loom.store._lock import FolderLock, folder_bytes, make_folder
from loom.store._rocksdb_open import BUFFER, FOLDER, follow, primary, typed
from loom.store.backend import Put
from loom.store.families import Family
from loom.store.opening import kind_of, refuse_other

T = TypeVar("T")
_ROOM = 2 * BUFFER  # bytes that must be free before a store that was full goes on: it writes its log anew


class RocksDbBackend:
    """Keeps a store in ``folder/rocksdb``; the folder is made when it is not there.

    One thread writes (``write``, ``remove``, ``checkpoint``, ``compact``); any thread reads. *read_only* needs no lock
    and follows what another process writes. Raises StoreLocked, naming the pid, when another process has the folder,
    StoreFormat for a store of another version, StoreCorrupt for a damaged one, StoreError when the folder cannot be
    used.
    """

    __slots__ = ("_db", "_guard", "_lock", "_path", "_scratch", "_sick", "_sync", "folder", "read_only")

    def __init__(self, folder: str | Path, *, read_only: bool = False) -> None:
        self.folder, self.read_only = Path(folder), read_only
        self._path = self.folder / FOLDER
        self._guard = threading.Lock()
        self._sync = {True: WriteOptions(), False: WriteOptions()}
        self._sync[True].sync = True
        self._sick = False  # after a failed write RocksDB refuses all others until it is opened again
        self._lock: FolderLock | None = None
        self._scratch: str | None = None
        self._db: Rdict | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        refuse_other(self.folder, "rocksdb")
        if self.read_only:
            if not self._path.exists():
                raise StoreError(
                    f"there is no store in {self.folder}; check the path, or open it without read_only=True"
                )
            self._scratch = tempfile.mkdtemp(prefix="loom-reader-")
            self._db = follow(self._path, self._scratch)
        else:
            make_folder(self.folder)
            self._lock = FolderLock(self.folder)
            self._db = primary(self._path)
        _format.bring(self, str(self._path), self.read_only)

    # -- writing

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        """Keep all of *puts* in order, the last one of a key wins; return when they are on disk if *sync*.

        Raises StoreFull when there is no space, StoreError otherwise, and then nothing of it is kept.
        """
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for family, key, value in puts:
            name = family._value_
            if name == JOURNAL:
                row(key)
            if value is None:
                delete(PREFIX[name] + key)
            else:
                put(PREFIX[name] + key, value)
        self._change(lambda db: db.write(batch, self._sync[sync]))

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        """Take away every key with ``start <= key < end``, as a write of its own."""
        low, high = bounds(family, start, end)
        if low < high:
            self._change(lambda db: db.delete_range(low, high, self._sync[True]))

    def checkpoint(self) -> None:
        """Fold the log of recent writes into the tables."""
        self._change(lambda db: db.flush(True))

    def compact(self) -> None:
        """Give the space of what was taken away back; needs room for a second copy for a while, or raises StoreFull."""
        self._change(lambda db: _rocksdb_upkeep.compact(db, self._path))

    def _change(self, work: Callable[[Rdict], T]) -> T:
        if self.read_only and self._db is not None:
            raise StoreError(f"{self.folder} is open with read_only=True; open it without to write")
        if self._sick:
            self._open_again()
        try:
            return work(self._living())
        except LoomError:
            raise
        except Exception as error:  # rocksdict raises nothing more special
            self._sick = True
            raise typed(error, self._path) from error

    def _open_again(self) -> None:
        """After a failed write: close and open; where that fails too, what is kept can at least be read."""
        free = shutil.disk_usage(self._path).free
        if free < _ROOM:
            raise StoreFull(
                f"no space left for {self._path}: {free:,} bytes are free, {_ROOM:,} needed; "
                "free some space and try again"
            )
        with self._guard:
            self._living()
            self._let_go()
            try:
                self._db = primary(self._path)
            except LoomError:
                self._scratch = self._scratch or tempfile.mkdtemp(prefix="loom-reader-")
                self._db = follow(self._path, self._scratch)
                raise
        self._sick = False

    def _let_go(self) -> None:
        db, self._db = self._db, None
        with suppress(Exception):  # it says once more that the write failed, and closes
            if db is not None:
                db.close()

    # -- reading

    def get(self, family: Family, key: bytes) -> bytes | None:
        """What is kept under *key*, or None."""
        place = PREFIX[family._value_] + key
        found: bytes | None = self._read(lambda db: db.get(place))
        return found

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        """At most *limit* pairs with ``start <= key < end`` (no end: to the last), in order."""
        low, high = bounds(family, start, end)
        return self._read(lambda db: _rocksdb_upkeep.between(db, low, high, limit))

    def last(self, family: Family) -> bytes | None:
        """The greatest key of *family*, or None."""
        low, high = bounds(family, b"", None)
        return self._read(lambda db: _rocksdb_upkeep.greatest(db, low, high))

    def count(self, family: Family) -> int:
        """How many keys *family* has; takes time in proportion."""
        low, high = bounds(family, b"", None)
        return self._read(lambda db: _rocksdb_upkeep.many(db, low, high))

    def _read(self, work: Callable[[Rdict], T]) -> T:
        with self._guard:
            try:
                db = self._living()
                if self.read_only:
                    db = self._caught_up(db)
                return work(db)
            except Exception as error:  # rocksdict raises nothing more special
                raise typed(error, self._path) from error

    def _caught_up(self, db: Rdict) -> Rdict:
        try:
            db.try_catch_up_with_primary()
        except Exception:  # noqa: BLE001 - rocksdict raises nothing more special
            # The writer has taken away a log that this reader still wanted: begin anew.
            assert self._scratch is not None
            self._db = None
            db.close()
            db = self._db = follow(self._path, self._scratch)
        return db

    def _living(self) -> Rdict:
        if self._db is None:
            raise Closed(f"{self.folder} is closed")
        return self._db

    def nbytes(self) -> int:
        """Bytes on disk, everything included."""
        return folder_bytes(self.folder)

    # -- upkeep

    def verify(self) -> Iterator[str]:
        """One line for each thing that is broken; nothing when all is well. Reads everything, checksums included."""
        yield from _rocksdb_upkeep.verify(self._living(), self._path)

    def backup(self, folder: str) -> None:
        """Write a consistent copy that can be opened into *folder*, while the original is in use.

        Raises StoreError when *folder* holds a store already, StoreFull when it has no room.
        """
        target = Path(folder)
        make_folder(target)
        if kind_of(target) is not None:
            raise StoreError(f"{target} holds a store already; give another folder")
        part = target / f"{FOLDER}.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            _rocksdb_upkeep.copy(self._living(), part, self.read_only)
            part.chmod(0o700)
            part.rename(target / FOLDER)
        except Exception as error:  # rocksdict raises nothing more special
            self._sick = (
                True  # it writes its log out first: when that failed, nothing goes before it is opened again
            )
            raise typed(error, part) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def close(self) -> None:
        """Release files and locks; closing twice does nothing."""
        with self._guard:
            self._let_go()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()
