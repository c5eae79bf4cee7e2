"""Checksums of values: SQLite notices damage to its trees, and none to what hangs on them."""

from __future__ import annotations

from zlib import crc32

_START = 0x4C6F6F6D  # so that zeros are no sum of zeros


def summed(value: bytes) -> bytes:
    """*value* with its checksum behind it; nothing stays nothing."""
    return value + crc32(value, _START).to_bytes(4, "big") if value else value


def plain(stored: bytes) -> bytes | None:
    """The value that ``summed`` was given, or None when these bytes are not what it made."""
    if not stored:
        return stored
    value = stored[:-4]
    return value if value and crc32(value, _START).to_bytes(4, "big") == stored[-4:] else None
