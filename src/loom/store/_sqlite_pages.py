"""Rows read from the pages of a SQLite file one by one, without the trees above them: what a repair can still find.

The layout is that of https://www.sqlite.org/fileformat2.html. Free pages and free space are zeroed in a store
(secure_delete), so that what is found here was not deleted before.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Any, NamedTuple

from loom.store._keys import CODES, FAMILIES
from loom.store._sqlite_sums import plain

_LEAF_TABLE, _INNER_TABLE, _LEAF_INDEX, _INNER_INDEX = 0x0D, 0x05, 0x0A, 0x02
_NO_TREE = 0  # overflow and free pages begin with a page number, which is below 2**24
_WIDTHS = (0, 1, 2, 3, 4, 6, 8)  # bytes of a whole number, by its type
_KEYS = {
    "large": {c for c in CODES.values() if c >= 0x80},
    "entries": {c for c in CODES.values() if c < 0x80},
}


class Row(NamedTuple):
    """A row of *table*."""

    table: str
    key: int | bytes
    value: bytes


class Lost(NamedTuple):
    """Something on *page* (from 1) that could not be read."""

    page: int
    why: str


class Pages:
    """The pages of *image*, the bytes of a file whose log is folded in; each has *size* bytes."""

    def __init__(self, image: bytes | mmap, size: int) -> None:
        self._image, self._size = image, size
        self._count = len(image) // size

    def read(self) -> Iterator[Row | Lost]:
        """All rows of a store that can be read, and what cannot."""
        for number in range(1, self._count + 1):
            yield from self._page(number)

    def _page(self, number: int) -> Iterator[Row | Lost]:
        page = self._at(number)
        head = 100 if number == 1 else 0
        kind = page[head]
        if kind in (_NO_TREE, _INNER_TABLE):
            return
        if kind not in (_LEAF_TABLE, _LEAF_INDEX, _INNER_INDEX):
            yield Lost(number, f"no page of SQLite begins with {kind:#04x}; what it held is lost")
            return
        cells = int.from_bytes(page[head + 3 : head + 5], "big")
        first = head + (12 if kind == _INNER_INDEX else 8)
        if first + 2 * cells > self._size:
            yield Lost(number, f"it says it has {cells} rows; what it held is lost")
            return
        for cell in range(cells):
            at = int.from_bytes(page[first + 2 * cell : first + 2 * cell + 2], "big")
            try:
                row = self._cell(page, kind, at)
            except (ValueError, IndexError, OverflowError) as error:
                yield Lost(number, f"row {cell + 1} of {cells}: {error}")
                continue
            if row is not None:
                yield row

    def _cell(self, page: bytes, kind: int, at: int) -> Row | None:
        if not 0 < at < self._size:
            raise ValueError(f"it begins at {at}, outside of its page")
        at += 4 if kind == _INNER_INDEX else 0
        length, at = _varint(page, at)
        rowid = 0
        if kind == _LEAF_TABLE:
            rowid, at = _varint(page, at)
        return _row(kind, rowid, _record(self._payload(page, kind, at, length)))

    def _payload(self, page: bytes, kind: int, at: int, length: int) -> bytes:
        if length > len(self._image):
            raise ValueError("it is longer than the file")
        local = self._local(kind, length)
        if at + local > self._size:
            raise ValueError("it reaches over the end of its page")
        found = bytearray(page[at : at + local])
        follow = int.from_bytes(page[at + local : at + local + 4], "big") if local < length else 0
        while len(found) < length:
            more = self._at(follow)
            found += more[4 : 4 + length - len(found)]
            follow = int.from_bytes(more[:4], "big")
        return bytes(found)

    def _local(self, kind: int, length: int) -> int:
        """How much of a payload of *length* bytes stands on its page; the rest is on overflow pages."""
        size = self._size
        most = size - 35 if kind == _LEAF_TABLE else (size - 12) * 64 // 255 - 23
        least = (size - 12) * 32 // 255 - 23
        if length <= most:
            return length
        rest = least + (length - least) % (size - 4)
        return rest if rest <= most else least

    def _at(self, number: int) -> bytes:
        if not 0 < number <= self._count:
            raise ValueError(f"it goes on at page {number}, and there are {self._count}")
        return self._image[(number - 1) * self._size : number * self._size]


def _row(kind: int, rowid: int, values: list[Any]) -> Row | None:
    """What these values are in a store; None for what it has beside rows: its tables, and the index of large ones."""
    if kind == _LEAF_TABLE and len(values) == 5:
        return None
    if len(values) != 2:
        raise ValueError(f"it has {len(values)} values")
    key, value = values
    if kind != _LEAF_TABLE and isinstance(value, int) and isinstance(key, bytes):
        return None
    if not isinstance(value, bytes):
        raise ValueError("its value is no bytes")
    if kind == _LEAF_TABLE and key is None:
        if rowid >= 1 << 63:
            raise ValueError("its number is negative")
        _check(f"event {rowid}", value)
        return Row("journal", rowid, value)
    table = "large" if kind == _LEAF_TABLE else "entries"
    if not isinstance(key, bytes) or not key or key[0] not in _KEYS[table]:
        raise ValueError("its key is of no known family")
    _check(f"{FAMILIES[key[0]]} {key[1:]!r}", value)
    return Row(table, key, value)


def _check(what: str, value: bytes) -> None:
    if plain(value) is None:
        raise ValueError(f"the value of {what} is not what was written")


def _record(payload: bytes) -> list[Any]:
    """The values of a record; texts and floating-point numbers, which no store has, come out as None."""
    end, at = _varint(payload, 0)
    if end > len(payload):
        raise ValueError("its head is longer than all of it")
    values, body = [], end
    while at < end:
        kind, at = _varint(payload, at)
        value, body = _value(payload, kind, body)
        values.append(value)
    if body != len(payload):
        raise ValueError("its parts do not add up to its length")
    return values


def _value(payload: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in (8, 9):
        return kind - 8, at
    width = 8 if kind == 7 else _WIDTHS[kind] if kind < 7 else (kind - 12) // 2
    part = payload[at : at + width]
    if kind < 7:
        return (int.from_bytes(part, "big", signed=True) if kind else None), at + width
    return (part if kind >= 12 and kind % 2 == 0 else None), at + width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number of up to nine bytes at *at*, and where it ends."""
    found = 0
    for index in range(8):
        byte = data[at + index]
        found = found << 7 | byte & 0x7F
        if byte < 0x80:
            return found, at + index + 1
    return found << 8 | data[at + 8], at + 9
