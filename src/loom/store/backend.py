"""The Backend protocol: an ordered map in a few families, of which one write keeps all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from loom.store.families import Family


class Put(NamedTuple):
    """One change: *value* under *key* in *family*; None takes the key away."""

    family: Family
    key: bytes
    value: bytes | None


row_put: Callable[[tuple[Family, bytes, bytes | None]], Put] = partial(tuple.__new__, Put)
"""A Put of its parts at two thirds of its price: for the rows that every event has."""


class Backend(Protocol):
    """Keeps bytes under bytes, sorted by key within each family.

    One thread writes; any thread may read at the same time and sees whole writes only. Reading raises StoreError, or
    StoreCorrupt where what is kept does not make sense. A process that dies, or a machine that loses power, leaves all
    of a write or nothing of it, and everything that was written with ``sync``.
    """

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        """Keep all of *puts* in order, the last one of a key wins; return when they are on disk if *sync*.

        Raises StoreFull when there is no space, StoreError otherwise, and then nothing of it is kept.
        """
        ...

    def get(self, family: Family, key: bytes) -> bytes | None:
        """What is kept under *key*, or None."""
        ...

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        """At most *limit* pairs with ``start <= key < end`` (no end: to the last), in order."""
        ...

    def last(self, family: Family) -> bytes | None:
        """The greatest key of *family*, or None."""
        ...

    def count(self, family: Family) -> int:
        """How many keys *family* has; may take time in proportion."""
        ...

    def remove(self, family: Family, start: bytes, end: bytes) -> None:
        """Take away every key with ``start <= key < end``, as a write of its own (in the writer's thread)."""
        ...

    def nbytes(self) -> int:
        """Bytes on disk, everything included."""
        ...

    def checkpoint(self) -> None:
        """Fold the log of recent writes into the main file (in the writer's thread)."""
        ...

    def verify(self) -> Iterator[str]:
        """One line for each thing that is broken; nothing when all is well."""
        ...

    def backup(self, folder: str) -> None:
        """Write a consistent copy that can be opened into *folder*, while the original is in use."""
        ...

    def compact(self) -> None:
        """Give the space of what was taken away back to the file system (in the writer's thread)."""
        ...

    def close(self) -> None:
        """Release files and locks; closing twice does nothing."""
        ...
