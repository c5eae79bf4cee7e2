"""Keys as they are on disk: one byte for the family, then the key itself."""

from __future__ import annotations

from loom.errors import StoreError
from loom.store.families import Family, unnumber

# These numbers are on disk: never give one to another family. From 0x80 on values may be large.
CODES = {
    Family.META: 1,
    Family.IDS: 2,
    Family.CAUSES: 3,
    Family.STEPS: 4,
    Family.POSITIONS: 5,
    Family.RECORDS: 6,
    Family.EFFECTS: 7,
    Family.OPEN: 8,
    Family.TIMERS: 9,
    Family.DUE: 10,
    Family.DEAD: 11,
    Family.NOTES: 12,
    Family.KEYS: 13,
    Family.ENDED: 14,
    Family.JOURNAL: 0x80,
    Family.STATES: 0x81,
    Family.CHANGES: 0x82,
    Family.BLOBS: 0x83,
    Family.BASES: 0x84,
}
FAMILIES = {code: family for family, code in CODES.items()}
# By text: an Enum's own hash is slow.
PREFIX = {family._value_: bytes([code]) for family, code in CODES.items()}
END = {family._value_: bytes([code + 1]) for family, code in CODES.items()}
JOURNAL = Family.JOURNAL._value_


def is_number(key: bytes) -> bool:
    """Whether *key* is what ``number`` makes."""
    return len(key) == 8 and key[0] < 128


def row(key: bytes) -> int:
    """The number that *key*, a key of the journal, stands for; raises StoreError for one that is none."""
    if not is_number(key):
        raise StoreError(f"{key!r} is no key of the journal; make it with number(0 .. 2**63 - 1)")
    return unnumber(key)


def bounds(family: Family, start: bytes, end: bytes | None) -> tuple[bytes, bytes]:
    """*start* and *end* of a range on disk: at least the first, below the second."""
    name = family._value_
    return PREFIX[name] + start, END[name] if end is None else PREFIX[name] + end
