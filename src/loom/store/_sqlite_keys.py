"""How keys look inside SQLite: a number in the journal, elsewhere one byte for the family and then the key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loom.errors import StoreError
from loom.store._sqlite_schema import CODES
from loom.store.backend import Put
from loom.store.families import Family, unnumber

_JOURNAL = Family.JOURNAL._value_
_PREFIX = {family._value_: bytes([code]) for family, code in CODES.items()}  # an Enum's own hash is slow
_END = {family: bytes([code + 1]) for family, code in CODES.items()}
_TOP = 1 << 63


def inside(family: Family, key: bytes) -> int | bytes | None:
    """*key* of *family* as its table has it; None when no key of the journal looks like that."""
    if family is Family.JOURNAL:
        return unnumber(key) if is_number(key) else None
    return _PREFIX[family._value_] + key


def outside(family: Family, key: Any) -> bytes:
    """The key of *family* that its table has as *key*."""
    found: bytes = key.to_bytes(8, "big") if family is Family.JOURNAL else key[1:]
    return found


def flat(puts: Iterable[Put]) -> list[Any]:
    """Keys and values of *puts* in one row, as ``put`` takes them."""
    found: list[Any] = []
    for family, key, value in puts:
        name = family._value_
        found.append(_row(key) if name == _JOURNAL else _PREFIX[name] + key)
        found.append(value)
    return found


def bounds(family: Family, start: bytes, end: bytes | None) -> tuple[Any, Any]:
    """*start* and *end* of a range as the table of *family* compares them: at least the first, below the second."""
    if family is Family.JOURNAL:
        return least(start), _TOP_KEY if end is None else least(end)
    prefix = _PREFIX[family._value_]
    return prefix + start, _END[family] if end is None else prefix + end


_TOP_KEY = b""  # SQLite sorts every number below every blob


def least(key: bytes) -> int | bytes:
    """The least number whose key is at least *key*; beyond all numbers when there is none."""
    found = int.from_bytes(key[:8].ljust(8, b"\0"), "big") + (len(key) > 8)
    return found if found < _TOP else _TOP_KEY


def is_number(key: bytes) -> bool:
    """Whether *key* is what ``number`` makes."""
    return len(key) == 8 and key[0] < 128


def _row(key: bytes) -> int:
    if not is_number(key):
        raise StoreError(f"{key!r} is no key of the journal; make it with number(0 .. 2**63 - 1)")
    return unnumber(key)
