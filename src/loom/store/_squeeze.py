"""Texts of some kilobytes packed smaller where that gains something: a page of the store holds two or three then."""

from __future__ import annotations

import zlib

from loom.errors import StoreCorrupt

_PLAIN, _PACKED = b"\0", b"\1"
_LEAST, _MOST = 1024, 65_536  # a larger one would keep the loop busy for longer than a slice
_LIMIT = 1 << 20  # what a packed one may become: no stored byte makes us allocate more


def squeeze(data: bytes) -> bytes:
    """*data* as it is kept: packed if it is neither small nor large and gets shorter by a tenth."""
    if _LEAST <= len(data) <= _MOST:
        packed = zlib.compress(data, 1)
        if len(packed) * 10 < len(data) * 9:
            return _PACKED + packed
    return _PLAIN + data


def unsqueeze(kept: bytes) -> bytes:
    """The data of what is kept; raises StoreCorrupt."""
    kind = kept[:1]
    if kind == _PLAIN:
        return kept[1:]
    if kind != _PACKED:
        raise StoreCorrupt(f"a large value is kept in form {kind!r}, which this Loom does not know")
    try:
        opened = zlib.decompressobj()
        data = opened.decompress(kept[1:], _LIMIT)
    except zlib.error as error:
        raise StoreCorrupt(f"a large value is damaged ({error}); run: loom store verify") from None
    if not opened.eof:
        raise StoreCorrupt(
            "a large value is cut short, or is larger than any that is packed; run: loom store verify"
        )
    return data
