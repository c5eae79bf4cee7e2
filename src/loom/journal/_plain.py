"""Rows of a store as they are, or why they cannot be read: one broken row hides no other."""

from __future__ import annotations

from collections.abc import Iterator

from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreError, WrongKey
from loom.store import Backend, Family
from loom.store._subjects import SEALED
from loom.store.sealed import SealedBackend

Found = bytes | StoreError
Row = tuple[bytes, Found]


def plain_rows(
    backend: Backend, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
) -> list[Row]:
    """At most *limit* keys of *family* in order, each with its row, or with the error that reading it raises.

    Those of a shredded subject are among them, unlike in ``Backend.scan``. Raises StoreError.
    """
    if not isinstance(backend, SealedBackend):
        return list(backend.scan(family, start, end, limit))
    rows = backend.backend.scan(family, start, end, limit)
    if family not in SEALED:
        return list(rows)
    return [(key, _opened(backend, family, key, row)) for key, row in rows]


def each_row(backend: Backend, family: Family, limit: int = 256) -> Iterator[Row]:
    """Every row of *family*, read by pages of *limit*."""
    start = b""
    while rows := plain_rows(backend, family, start, None, limit):
        yield from rows
        start = rows[-1][0] + b"\0"


def is_there(backend: Backend, family: Family, key: bytes) -> bool:
    """Whether anything is kept under *key*, readable or not."""
    store = backend.backend if isinstance(backend, SealedBackend) else backend
    return store.get(family, key) is not None


def _opened(backend: SealedBackend, family: Family, key: bytes, row: bytes) -> Found:
    try:
        return backend.opened(family, key, row)
    except (Shredded, MissingKey, WrongKey, StoreCorrupt) as error:
        return error
