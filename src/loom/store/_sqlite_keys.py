"""How keys look inside SQLite: a number in the journal, elsewhere as on every disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loom.store import _keys
from loom.store._keys import JOURNAL, PREFIX, is_number, row
from loom.store._sqlite_sums import plain, summed
from loom.store.backend import Put
from loom.store.families import Family, unnumber

_LIMIT = 1 << 63
_BEYOND = b""  # SQLite sorts every number below every blob


class Garbled(ValueError):
    """A key or a value in a table that no Loom has written."""


def inside(family: Family, key: bytes) -> int | bytes | None:
    """*key* of *family* as its table has it; None when no key of the journal looks like that."""
    if family is Family.JOURNAL:
        return unnumber(key) if is_number(key) else None
    return PREFIX[family._value_] + key


def outside(family: Family, key: Any) -> bytes:
    """The key of *family* that its table has as *key*; raises Garbled when no Loom has written that."""
    if family is Family.JOURNAL and type(key) is int and key >= 0:
        return key.to_bytes(8, "big")
    if family is Family.JOURNAL or type(key) is not bytes:
        raise Garbled(f"{family} has the key {key!r}")
    return key[1:]


def value_of(family: Family, key: Any, value: Any) -> bytes:
    """The value that the table of *family* has as *value* under *key*; raises Garbled for one that was not written."""
    found = plain(value) if type(value) is bytes else None
    if found is None:
        raise Garbled(f"the value of {family} under {outside(family, key)!r} is not what was written")
    return found


def led(family: Family, key: Any, value: Any, own: Any = None) -> bytes:
    """Like ``value_of``, of a row that an index led to, whose *own* key says whether it is the right one."""
    if own is not None and own != key:
        raise Garbled(f"the index of {family} leads from {outside(family, key)!r} to another row")
    return value_of(family, key, value)


def flat(puts: Iterable[Put]) -> list[Any]:
    """Keys and values of *puts* in one row, as ``put`` takes them; raises StoreError for an impossible key."""
    found: list[Any] = []
    for family, key, value in puts:
        name = family._value_
        found.append(row(key) if name == JOURNAL else PREFIX[name] + key)
        found.append(summed(value) if value else value)
    return found


def bounds(family: Family, start: bytes, end: bytes | None) -> tuple[Any, Any]:
    """*start* and *end* of a range as the table of *family* compares them: at least the first, below the second."""
    if family is Family.JOURNAL:
        return least(start), _BEYOND if end is None else least(end)
    return _keys.bounds(family, start, end)


def least(key: bytes) -> int | bytes:
    """The least number whose key is at least *key*; beyond all numbers when there is none."""
    found = int.from_bytes(key[:8].ljust(8, b"\0"), "big") + (len(key) > 8)
    return found if found < _LIMIT else _BEYOND
