"""Opening the store of a folder, whichever kind it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from loom.errors import ConfigError, MissingExtra, StoreError
from loom.store.backend import Backend

_CLASSES = {
    "sqlite": ("loom.store.sqlite", "SqliteBackend"),
    "rocksdb": ("loom.store.rocksdb", "RocksDbBackend"),
}


def open_backend(folder: str | Path, kind: str | None = None, read_only: bool = False) -> Backend:
    """The store in *folder*, made when it is not there: "sqlite", "rocksdb", or None for what the folder holds.

    A new one of no kind is SQLite. Raises StoreError for a folder of the other kind, MissingExtra when RocksDB is not
    installed, and what the backend raises for a folder it cannot open.
    """
    if kind not in (*_CLASSES, None):
        raise ConfigError(f"there is no store of kind {kind!r}; the kinds are {', '.join(_CLASSES)}")
    module, name = _CLASSES[kind or kind_of(folder) or "sqlite"]
    try:
        found: Backend = getattr(import_module(module), name)(folder, read_only=read_only)
    except ModuleNotFoundError as error:
        if error.name != "rocksdict":
            raise
        raise MissingExtra("rocksdb", error.name) from error
    return found


def kind_of(folder: str | Path) -> str | None:
    """The kind of store that *folder* holds, or None."""
    if Path(folder, "loom.db").exists():
        return "sqlite"
    return "rocksdb" if Path(folder, "rocksdb").exists() else None


def refuse_other(folder: str | Path, wanted: str) -> None:
    """Raise StoreError when *folder* holds a store of another kind than *wanted*."""
    held = kind_of(folder)
    if held not in (wanted, None):
        raise StoreError(
            f"{folder} holds a store of kind {held}, not {wanted}; open it as {held}, or use another folder"
        )
