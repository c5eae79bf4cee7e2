"""Puts as few statements: SQLite's step is where Python gives up its lock, so many rows share one step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from loom.errors import StoreError
from loom.store._sqlite_schema import NUMBERED, drop, put
from loom.store.backend import Put
from loom.store.families import Family, unnumber

SIZES = (256, 64, 16, 4, 1)  # rows of a statement; few, so that all stay prepared
_TOP = 1 << 63

_PUT = {family._value_: [(rows, put(family, rows)) for rows in SIZES] for family in Family}
_DROP = {family._value_: [(rows, drop(family, rows)) for rows in SIZES] for family in Family}
_NUMBERED = frozenset(family._value_ for family in NUMBERED)


def group(puts: Iterable[Put]) -> dict[str, dict[Any, bytes | None]]:
    """By family, what each key holds in the end."""
    groups: dict[str, dict[Any, bytes | None]] = {}
    for family, key, value in puts:
        name = family._value_
        if name not in groups:
            groups[name] = {}
        groups[name][key] = value
    for name in _NUMBERED & groups.keys():
        groups[name] = {row(key): value for key, value in groups[name].items()}
    return groups


def row(key: bytes) -> int:
    """The number that *key* is; raises StoreError for a key that is none."""
    if len(key) != 8 or key[0] > 127:
        raise StoreError(f"{key!r} is no key of a numbered family; make it with number(0 .. 2**63 - 1)")
    return unnumber(key)


def statements(groups: dict[str, dict[Any, bytes | None]]) -> Iterator[tuple[str, list[Any]]]:
    """The statements that make *groups* so, each with its parameters."""
    for name, rows in groups.items():
        gone = [key for key, value in rows.items() if value is None]
        if len(gone) < len(rows):
            flat = [part for pair in rows.items() if pair[1] is not None for part in pair]
            yield from _cut(_PUT[name], flat, 2)
        if gone:
            yield from _cut(_DROP[name], gone, 1)


def _cut(sizes: list[tuple[int, str]], flat: list[Any], width: int) -> Iterator[tuple[str, list[Any]]]:
    at = 0
    for rows, sql in sizes:
        step = rows * width
        while len(flat) - at >= step:
            yield sql, flat[at : at + step]
            at += step


def least(key: bytes) -> int | None:
    """The least number whose key is at least *key*; None when there is none."""
    found = int.from_bytes(key[:8].ljust(8, b"\0"), "big") + (len(key) > 8)
    return found if found < _TOP else None
