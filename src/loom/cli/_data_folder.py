"""Which store a command means: its folder, its key, and opening it."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from loom.errors import ConfigError, MissingKey, StoreError

if TYPE_CHECKING:
    from loom.store.sealed import SealedBackend

PROJECT = "loom.toml"


class Place(NamedTuple):
    """A data folder, and where the key of its store is (None: in LOOM_KEY, if there is one)."""

    folder: Path
    key: str | None


def add_place(parser: argparse.ArgumentParser, positional: bool = False) -> None:
    """Let *parser* take --data and --unlock, and the folder as an argument too if *positional*."""
    if positional:
        parser.add_argument("folder", nargs="?", metavar="DATA", help="the data folder, as with --data")
    parser.add_argument("--data", metavar="DIR", help="the data folder (that of ./loom.toml)")
    parser.add_argument("--unlock", metavar="KEY", help="a key file, env:NAME or keyring:NAME (LOOM_KEY)")


def find_place(options: argparse.Namespace) -> Place:
    """The data folder that *options* name, or the project here; raises ConfigError when nothing does."""
    given = options.data or getattr(options, "folder", None)
    told = _project()
    folder = Path(given) if given else told.get("data")
    if folder is None:
        raise ConfigError(f"which store? give --data DIR, or go to a folder whose {PROJECT} has [loom] data")
    key = options.unlock or (told.get("key") if not given or folder == told.get("data") else None)
    return Place(Path(folder), key)


@contextmanager
def opened(place: Place, write: bool = False, anyway: bool = False) -> Iterator[SealedBackend]:
    """The store of *place*, which must be there; nobody else may have it open when it is opened to *write*.

    Without its key a sealed one opens *anyway*: what is sealed in it raises MissingKey.
    """
    check_there(place.folder)
    store = _open(place, write, anyway)
    try:
        yield store
    finally:
        store.close()


def _open(place: Place, write: bool, anyway: bool) -> SealedBackend:
    from loom.store.opening import open_backend
    from loom.store.sealed import SealedBackend, open_store
    from loom.store.sealing import PlainSealer

    try:
        return open_store(place.folder, place.key, read_only=not write)
    except MissingKey:
        if not anyway:
            raise
    return SealedBackend(open_backend(place.folder, read_only=not write), PlainSealer())


def check_there(folder: Path) -> None:
    """Raise StoreError when there is no store in *folder*."""
    from loom.store.opening import kind_of

    if kind_of(folder) is None:
        raise StoreError(f"there is no store in {folder}; a store is made by Loom(data=...)")


def _project() -> dict[str, str]:
    """What the project file in this folder says of data and key; nothing when there is none."""
    try:
        with open(PROJECT, "rb") as file:
            document = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{PROJECT} cannot be read: {error}") from None
    table = document.get("loom")
    settings = table if isinstance(table, dict) else {}
    return {name: v for name in ("data", "key") if isinstance(v := settings.get(name), str)}
