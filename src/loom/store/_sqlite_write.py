"""Puts as one statement: the sizes are few, so that all of them stay prepared, and the rest of a size is NULL."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from loom.store._sqlite_keys import flat
from loom.store._sqlite_schema import put
from loom.store.backend import Put

MOST = 4096  # rows of the longest statement
# 1, 2, 3, then four steps to each doubling: at most a quarter of a statement is NULL.
SIZES = sorted({1, 2, 3, *(quarter << double for quarter in (4, 5, 6, 7) for double in range(11))})
SIZES = [size for size in SIZES if size <= MOST]
_SQL = [put(size) for size in SIZES]
_SIZE = [bisect_left(SIZES, rows) for rows in range(MOST + 1)]


def statements(puts: Sequence[Put]) -> Iterator[tuple[str, list[Any]]]:
    """The statements that keep *puts* in order, each with its parameters; one for up to MOST puts."""
    for at in range(0, len(puts), MOST):
        part = puts[at : at + MOST]
        which = _SIZE[len(part)]
        yield _SQL[which], flat(part) + [None] * (2 * (SIZES[which] - len(part)))
