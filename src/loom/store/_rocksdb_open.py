"""Opening RocksDB as a store wants it, and what it reports as the errors of Loom."""

from __future__ import annotations

from pathlib import Path

from rocksdict import AccessType, BlockBasedOptions, Cache, DbClosedError, Options, Rdict, WriteOptions

from loom.errors import Closed, LoomError, StoreCorrupt, StoreError, StoreFull, StoreLocked
from loom.store import _format
from loom.store._keys import PREFIX
from loom.store._lock import make_folder
from loom.store.families import Family

FOLDER = "rocksdb"
_MIB = 1 << 20
_FORMAT = PREFIX[Family.META._value_] + _format.KEY
BUFFER = 8 * _MIB  # bytes that are in memory and in the log before they become a table


def options() -> Options:
    """What every opening sets: little memory, a quiet log, nothing that wakes up by itself."""
    found = Options(raw_mode=True)
    found.create_if_missing(True)
    found.set_write_buffer_size(BUFFER)
    found.set_max_write_buffer_number(2)
    found.set_keep_log_file_num(2)
    found.set_max_log_file_size(_MIB)
    found.set_stats_dump_period_sec(0)
    found.set_stats_persist_period_sec(0)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(8 * _MIB))
    blocks.set_bloom_filter(10, False)  # most look-ups of ids are for events that are new
    found.set_block_based_table_factory(blocks)
    return found


def primary(path: Path) -> Rdict:
    """The database at *path* for reading and writing, made with its format when it is not there."""
    make_folder(path)
    try:
        new = not (path / "CURRENT").exists() or _is_empty(path)
        db = Rdict(str(path), options())
        if new:
            db.put(_FORMAT, _format.stamp().value, _synced())
        return db
    except Exception as error:  # rocksdict raises nothing more special
        raise typed(error, path) from error


def _is_empty(path: Path) -> bool:
    """Whether nothing was ever written at *path*, as a crash at the very beginning leaves it.

    Raises StoreCorrupt for a store that has lost its format: a damaged list of files looks like a new store to RocksDB,
    and opening that for writing would delete the files that are not in the list.
    """
    db = Rdict(str(path), options(), access_type=AccessType.read_only(False))
    try:
        if db.get(_FORMAT) is not None:
            return False
        if db.latest_sequence_number() == 0 and not list(path.glob("*.sst")):
            return True
    finally:
        db.close()
    raise damaged(path, "its list of files has lost some, at least the one with the format")


def _synced() -> WriteOptions:
    found = WriteOptions()
    found.sync = True
    return found


def follow(path: Path, scratch: str) -> Rdict:
    """The database at *path* for reading while another process writes it; its own log goes to *scratch*."""
    found = options()
    found.set_max_open_files(-1)  # files that the writer takes away stay readable
    try:
        return Rdict(str(path), found, access_type=AccessType.secondary(scratch))
    except Exception as error:  # rocksdict raises nothing more special
        raise typed(error, path) from error


def damaged(path: Path, what: str) -> StoreCorrupt:
    """The error for *path*, which does not hold what it should."""
    return StoreCorrupt(
        f"{path} is damaged: {what}; run `loom store verify {path.parent}` to see where, then "
        f"`loom store repair {path.parent}` (it keeps the damaged files), or go back to a backup"
    )


def typed(error: Exception, path: Path) -> LoomError:
    """The error of Loom for *error*, which came up at *path*: RocksDB tells them apart in its text only."""
    if isinstance(error, LoomError):
        return error
    if isinstance(error, DbClosedError):
        return Closed(f"{path.parent} is closed")
    text = str(error)
    if any(
        sign in text for sign in ("No space left", "File too large", "Disk quota", "Read-only file system")
    ):
        return StoreFull(
            f"no space left for {path}: {text}; nothing of this was kept, free some space and try again"
        )
    if "While lock file" in text or "lock hold by" in text:
        return StoreLocked(
            f"{path} is open in another program: {text}; see `fuser {path / 'LOCK'}` for its pid"
        )
    if text.startswith("Corruption") or "No such file" in text:
        return damaged(path, text)
    if "ermission denied" in text:
        return StoreError(
            f"cannot open {path}: {text}; this user must have the right to write there, even to read (rocksdict "
            "keeps its settings there): give it, or copy the folder and open the copy"
        )
    return StoreError(f"{path}: {text}; look at the disk and at {path / 'LOG'}")
