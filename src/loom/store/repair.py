"""Repairing the store of a folder: nothing is deleted, what can be read is kept, and what cannot is told."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from loom.errors import MissingExtra, StoreError
from loom.store.opening import kind_of


def repair(folder: str | Path, stamp: str) -> list[str]:
    """Make a sound store in *folder* of what can be read there, and tell what that is, line by line.

    The damaged files are kept in ``folder/damaged-STAMP``; *stamp* (a time, say 20261122-204500) is part of its name.
    Raises StoreLocked while a process has the store open, StoreFull without room for two more copies, StoreError when
    *folder* holds no store or something named like that copy, MissingExtra when RocksDB is not installed.
    """
    kind = kind_of(folder)
    if kind is None:
        raise StoreError(f"there is no store in {folder}; check the path")
    try:
        module = import_module(f"loom.store._{kind}_repair")
    except ModuleNotFoundError as error:
        if error.name != "rocksdict":
            raise
        raise MissingExtra("rocksdb", error.name) from error
    report: list[str] = module.repair(Path(folder), stamp)
    return report
