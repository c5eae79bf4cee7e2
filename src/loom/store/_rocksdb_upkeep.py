"""Reading ranges of RocksDB, and looking after it: whether it is whole, a copy of it, giving free space back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rocksdict import (
    BottommostLevelCompaction,
    Checkpoint,
    CompactOptions,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
)

from loom.errors import StoreFull
from loom.store._keys import PREFIX
from loom.store._lock import folder_bytes
from loom.store._rocksdb_open import primary


def between(db: Rdict, low: bytes, high: bytes, limit: int) -> list[tuple[bytes, bytes]]:
    """At most *limit* pairs with ``low <= key < high``, in order, their keys without the family."""
    found: list[tuple[bytes, bytes]] = []
    cursor = db.iter()
    cursor.seek(low)
    while len(found) < limit and cursor.valid():
        key = cursor.key()
        if key >= high:
            break
        found.append((key[1:], cursor.value()))
        cursor.next()
    cursor.status()
    return found


def many(db: Rdict, low: bytes, high: bytes) -> int:
    """How many keys there are with ``low <= key < high``."""
    count = 0
    cursor = db.iter()
    cursor.seek(low)
    while cursor.valid() and cursor.key() < high:
        count += 1
        cursor.next()
    cursor.status()
    return count


def greatest(db: Rdict, low: bytes, high: bytes) -> bytes | None:
    """The greatest key with ``low <= key < high``, without the family, or None."""
    cursor = db.iter()
    cursor.seek_for_prev(high)
    if cursor.valid() and cursor.key() == high:
        cursor.prev()
    found = cursor.key() if cursor.valid() else None
    cursor.status()
    return found[1:] if found is not None and found >= low else None


def verify(db: Rdict, path: Path) -> Iterator[str]:
    """One line for each thing that is broken; a damaged block hides what comes after it in the same file."""
    reading = ReadOptions()
    reading.set_verify_checksums(True)
    known = set(PREFIX.values())
    strays = 0
    cursor = db.iter(reading)
    try:
        cursor.seek_to_first()
        while cursor.valid():
            strays += cursor.key()[:1] not in known
            cursor.value()
            cursor.next()
        cursor.status()
    except Exception as error:  # noqa: BLE001 - rocksdict raises nothing more special
        yield f"{path.name}: {error}"
    if strays:
        yield f"{path.name}: {strays} keys are of no known family"


def copy(db: Rdict, target: Path, by_reading: bool) -> None:
    """Copy *db* as it is now to *target*: files where it is open for writing, pair by pair otherwise."""
    if not by_reading:
        Checkpoint(db).create_checkpoint(str(target))
        return
    other = primary(target)
    try:
        cursor = db.iter()
        cursor.seek_to_first()
        while cursor.valid():
            other.write(_some(cursor))
        cursor.status()
        other.flush(True)
    finally:
        other.close()


def _some(cursor: RdictIter) -> WriteBatch:
    batch = WriteBatch(raw_mode=True)
    while cursor.valid() and len(batch) < 1_000:
        batch.put(cursor.key(), cursor.value())
        cursor.next()
    return batch


def compact(db: Rdict, path: Path) -> None:
    """Write all tables anew; raises StoreFull when there is no room for the second copy."""
    needed = folder_bytes(path) + (1 << 20)
    free = shutil.disk_usage(path).free
    if free < needed:
        raise StoreFull(
            f"compacting {path} takes {needed:,} bytes for a while and {free:,} are free; free some space first"
        )
    everything = CompactOptions()
    everything.set_bottommost_level_compaction(BottommostLevelCompaction.force())
    db.flush(True)
    db.compact_range(None, None, everything)
