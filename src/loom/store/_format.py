"""The version of what is kept, as every backend writes it under META, and the steps from older ones."""

from __future__ import annotations

from collections.abc import Callable

from loom.errors import StoreFormat
from loom.store.backend import Backend, Put
from loom.store.families import Family

KEY = b"format"
VERSION = 1

STEPS: dict[int, Callable[[Backend], None]] = {}
"""What makes version n + 1 of a store of version n. A step may be cut short and run again: it must not mind."""


def stamp(version: int | None = None) -> Put:
    """The change that says which version a store has: this one, unless told."""
    return Put(Family.META, KEY, b"%d" % (VERSION if version is None else version))


def check(found: bytes | None, where: str) -> int:
    """The version that *where* has, of which *found* is kept; raises StoreFormat for one that cannot be used."""
    text = "none" if found is None else found[:20].decode("ascii", "replace")
    version = int(text) if text.isascii() and text.isdigit() else -1
    if version > VERSION:
        raise StoreFormat(
            f"{where} has format {text}, written by a newer Loom; this one knows format {VERSION}: "
            "update Loom (pip install --upgrade loom-runtime), or use another folder"
        )
    if any(step not in STEPS for step in range(max(version, -1), VERSION)):
        raise StoreFormat(
            f"{where} has format {text}, which this Loom (format {VERSION}) does not know; "
            "open it with the Loom that wrote it, or use another folder"
        )
    return version


def bring(backend: Backend, where: str, read_only: bool) -> None:
    """Bring *backend* to this version, one step and one write after the other; raises StoreFormat as ``check`` does."""
    version = check(backend.get(Family.META, KEY), where)
    if version < VERSION and read_only:
        raise StoreFormat(
            f"{where} has format {version} and must be brought to {VERSION}: open it once for writing"
        )
    for step in range(version, VERSION):
        STEPS[step](backend)
        backend.write([stamp(step + 1)])
