"""Making a store out of what can be read of a damaged one in RocksDB; the damaged files are kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rocksdict import Rdict, WriteBatch

from loom.errors import LoomError, StoreCorrupt, StoreError
from loom.store._keys import FAMILIES, PREFIX
from loom.store._lock import FolderLock, unusable
from loom.store._rocksdb_open import FOLDER, options, primary, typed
from loom.store._rocksdb_upkeep import verify

_PLACE = tuple[bytes, bytes]


def repair(folder: Path, stamp: str) -> list[str]:
    """Keep the damaged files in ``folder/damaged-STAMP``, put what can be read of them in their place, and tell.

    Raises StoreLocked while a process has the store open, StoreFull without room for two more copies, StoreError when
    that copy exists.
    """
    aside, work = folder / f"damaged-{stamp}", folder / "repairing"
    if aside.exists():
        raise StoreError(f"{aside} exists already; give another stamp")
    lock = FolderLock(folder)
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        shutil.copytree(folder / FOLDER, work / "old")
        report = [f"the damaged files are kept in {aside}", *_remake(work / "old", work / "new")]
        aside.mkdir(mode=0o700)
        (folder / FOLDER).rename(aside / FOLDER)
        (work / "new").rename(folder / FOLDER)
        return report
    except OSError as error:
        raise unusable(work, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        lock.release()


def _remake(old: Path, new: Path) -> list[str]:
    wrong, db = _opened(old)
    target = primary(new)
    try:
        lost: list[str] = []
        kept = _keep(db, target, lost)
        target.flush(True)
    finally:
        db.close()
        target.close()
    return [
        f"kept: {kept:,} entries",
        *(f"found broken: {w}" for w in wrong),
        *(f"could not be read: {x}" for x in lost),
    ]


def _opened(old: Path) -> tuple[list[str], Rdict]:
    """What is wrong with *old*, and *old* open: as it is, or as RocksDB's own repair leaves it."""
    with suppress(LoomError):
        db = primary(old)
        return list(verify(db, old)), db
    try:
        Rdict.repair(str(old), options())
        return ["it could not be opened; RocksDB's own repair made new lists of its files"], Rdict(
            str(old), options()
        )
    except Exception as error:  # rocksdict raises nothing more special
        found = typed(error, old)
        raise StoreCorrupt(
            f"{found}; nothing could be saved, and nothing was changed: go back to a backup"
        ) from error


def _keep(db: Rdict, target: Rdict, lost: list[str]) -> int:
    """Copy what can be read, family by family, from both ends up to what is damaged; how many keys that is."""
    kept = 0
    for code in sorted(PREFIX.values()):
        low, high = code, bytes([code[0] + 1])
        last = first = b""
        for key, value in _walk(db, low, high, forward=True):
            target.write(_only(key, value))
            last, kept = key, kept + 1
        for key, value in _walk(db, low, high, forward=False):
            if key <= last:
                break
            target.write(_only(key, value))
            first, kept = key, kept + 1
        if first:
            lost.append(f"{FAMILIES[code[0]]} after {last[1:]!r} and before {first[1:]!r}")
    return kept


def _walk(db: Rdict, low: bytes, high: bytes, forward: bool) -> Iterator[_PLACE]:
    """Pairs from one end of a range, up to its other end or to what cannot be read."""
    cursor = db.iter()
    with suppress(Exception):
        cursor.seek(low) if forward else cursor.seek_for_prev(high)
        while cursor.valid() and low <= (key := cursor.key()) <= high:
            if key < high:
                yield key, cursor.value()
            cursor.next() if forward else cursor.prev()


def _only(key: bytes, value: bytes) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    batch.put(key, value)
    return batch
