"""Mark and sweep: large leaves that nothing refers to any more, and ids that lead nowhere, are taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from loom.errors import Shredded
from loom.journal._plain import each_row, is_there
from loom.journal._references import REFERRING, References
from loom.journal._removal import causes_of
from loom.store import Backend, Family, Put

MARKS = 4_000_000
"""References held in memory at once, about 100 bytes each; of more leaves, each part is looked at by itself."""
_PAGE = 64  # rows read at once: they may be large
_TELL = 1000  # rows after which progress is told
Told = Callable[[str, int], None]


class Swept(NamedTuple):
    """What was taken away: leaves and their bytes, and ids that led to no event."""

    leaves: int
    nbytes: int
    ids: int


def sweep(backend: Backend, told: Told = lambda what, rows: None, marks: int = MARKS) -> Swept:
    """Take away what nothing refers to from a store that nobody else has open; *told* hears how many rows were read.

    A row that cannot be read may refer to anything: raises StoreCorrupt, MissingKey for it, and then nothing is taken
    away. Raises StoreError.
    """
    shares = 1 + backend.count(Family.BLOBS) // marks
    leaves = nbytes = 0
    for share in range(shares):
        kept = _marked(backend, told, (share, shares))
        for gone in _unmarked(backend, told, kept, (share, shares)):
            backend.write([Put(Family.BLOBS, key, None) for key, _ in gone], sync=False)
            leaves, nbytes = leaves + len(gone), nbytes + sum(size for _, size in gone)
    return Swept(leaves, nbytes, _take_ids(backend, told))


def missing(backend: Backend, references: References, family: Family, key: bytes, row: bytes) -> list[bytes]:
    """The keys of the leaves that *row* refers to and that are not there; raises StoreCorrupt."""
    return [leaf for leaf in references.of(family, key, row) if not is_there(backend, Family.BLOBS, leaf)]


def lost_ids(backend: Backend) -> Iterator[bytes]:
    """The ids that lead to no event of the journal."""
    for id, place in each_row(backend, Family.IDS, 1000):
        if isinstance(place, bytes) and not is_there(backend, Family.JOURNAL, place):
            yield id


# --- inside -----------------------------------------------------------------------------------------------------------


def _marked(backend: Backend, told: Told, share: tuple[int, int]) -> set[bytes]:
    """The leaves of one *share* that rows refer to."""
    references, marked, read = References(backend), set[bytes](), 0
    for family in REFERRING:
        for key, row in each_row(backend, family, _PAGE):
            read += 1
            if not read % _TELL:
                told("rows that may refer to a large value", read)
            if isinstance(row, Shredded):
                continue  # what it refers to is shredded too
            if isinstance(row, Exception):
                raise row
            marks = (_mark(leaf) for leaf in references.of(family, key, row))
            marked.update(mark for mark in marks if _is_in(mark, share))
    return marked


def _unmarked(
    backend: Backend, told: Told, marked: set[bytes], share: tuple[int, int]
) -> Iterator[list[tuple[bytes, int]]]:
    """The keys and sizes of the leaves of one *share* that are not among *marked*, some at a time."""
    gone: list[tuple[bytes, int]] = []
    for read, (key, row) in enumerate(each_row(backend, Family.BLOBS, _PAGE), 1):
        if not read % _TELL:
            told("large values", read)
        mark = _mark(key)
        if _is_in(mark, share) and mark not in marked:
            gone.append((key, len(row) if isinstance(row, bytes) else 0))
        if len(gone) >= _PAGE:
            yield gone
            gone = []
    if gone:
        yield gone


def _take_ids(backend: Backend, told: Told) -> int:
    taken = 0
    for taken, id in enumerate(lost_ids(backend), 1):
        puts = [Put(Family.IDS, id, None), *causes_of(backend, id)]
        backend.write(puts, sync=False)
        if not taken % _TELL:
            told("ids that lead nowhere", taken)
    return taken


def _mark(leaf: bytes) -> bytes:
    return blake2b(leaf, digest_size=16).digest()


def _is_in(mark: bytes, share: tuple[int, int]) -> bool:
    return int.from_bytes(mark[:4], "big") % share[1] == share[0]
