"""Making a store out of what can be read of a damaged one; the damaged files are kept."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

from loom.errors import StoreError
from loom.store._lock import FolderLock, unusable
from loom.store._sqlite_connect import FILE, connect, writer
from loom.store._sqlite_errors import FAILURES, typed
from loom.store._sqlite_pages import Lost, Pages, Row
from loom.store._sqlite_schema import PAGE
from loom.store._sqlite_upkeep import flush, verify

_LOG = f"{FILE}-wal"
_NAMES = {"journal": "events", "large": "large values", "entries": "small entries"}
_MOST = 50  # lines of each kind in a report


def repair(folder: Path, stamp: str) -> list[str]:
    """Keep the damaged files in ``folder/damaged-STAMP``, put what can be read of them in their place, and tell.

    Raises StoreLocked while a process has the store open, StoreFull without room for two more copies, StoreError when
    there is no store, or that copy exists.
    """
    if not (folder / FILE).exists():
        raise StoreError(f"there is no {FILE} in {folder}; check the path")
    lock = FolderLock(folder)
    aside, work = folder / f"damaged-{stamp}", folder / "repairing"
    try:
        _copy(folder, aside)
        shutil.rmtree(work, ignore_errors=True)
        _copy(folder, work)
        report = [f"the damaged files are kept in {aside}", *_remake(work)]
        _swap(folder, work)
        return report
    except FAILURES as error:
        raise typed(error, work / FILE) from error
    except OSError as error:
        raise unusable(work, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        lock.release()


def _copy(folder: Path, target: Path) -> None:
    if target.exists():
        raise StoreError(f"{target} exists already; give another stamp")
    target.mkdir(mode=0o700)
    for name in (FILE, _LOG):
        if (folder / name).exists():
            shutil.copy2(folder / name, target / name)
            flush(target / name)
    flush(target)


def _remake(work: Path) -> list[str]:
    damaged, new = work / FILE, work / "new.db"
    wrong = [*_fold(damaged), *verify(damaged)]
    lost: list[str] = []
    with damaged.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as image:
        kept = _keep(_readable(Pages(image, _page_size(damaged)).read(), lost), new)
    counts = ", ".join(f"{kept[table]:,} {name}" for table, name in _NAMES.items())
    return [f"kept: {counts}", *_short("found broken", wrong), *_short("could not be read", lost)]


def _fold(file: Path) -> list[str]:
    """Fold the log into *file*; one whose first page is damaged gets that of a new store, which is the same in each."""
    try:
        _checkpoint(file)
        return []
    except FAILURES as error:
        fresh = file.with_name("fresh.db")
        writer(fresh).close()
        pages = max(file.stat().st_size // PAGE, 1)
        head = bytearray(fresh.read_bytes()[:PAGE])
        head[28:40] = pages.to_bytes(4, "big") + bytes(8)  # so many pages, and none of them is free
        with file.open("r+b") as opened:
            opened.write(head)
        _checkpoint(file)
        return [f"page 1: {error}"]


def _page_size(file: Path) -> int:
    """The size of a page as the head of *file* has it, which is sound now."""
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(18)[16:], "big")


def _checkpoint(file: Path) -> None:
    connection = connect(file, "rw")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()


def _readable(found: Iterable[Row | Lost], lost: list[str]) -> Iterator[Row]:
    for row in found:
        if isinstance(row, Lost):
            lost.append(f"page {row.page}: {row.why}")
        else:
            yield row


def _keep(rows: Iterable[Row], new: Path) -> Counter[str]:
    """Write *rows* into *new*, a store made for them, and count them by table."""
    kept: Counter[str] = Counter()
    connection = writer(new)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for table, key, value in rows:
            connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (key, value))  # noqa: S608 - three names
            kept[table] += 1
        connection.execute("COMMIT")
    finally:
        connection.close()
    flush(new)
    return kept


def _swap(folder: Path, work: Path) -> None:
    """Put the new file in place of the damaged one, whose log must never meet the new file."""
    for end in ("-wal", "-shm"):
        (folder / f"{FILE}{end}").unlink(missing_ok=True)
    flush(folder)
    os.replace(work / "new.db", folder / FILE)
    flush(folder)


def _short(title: str, lines: list[str]) -> list[str]:
    more = [f"... and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return [f"{title}: {line}" for line in [*lines[:_MOST], *more]]
