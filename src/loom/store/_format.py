"""The version of what is kept, as every backend writes it under META."""

from __future__ import annotations

from loom.errors import StoreFormat

KEY = b"format"
VERSION = 1


def check(found: bytes | None, where: str) -> None:
    """Raise StoreFormat unless *found*, the version that *where* has, is the one this Loom reads and writes."""
    if found == b"%d" % VERSION:
        return
    text = "none" if found is None else found[:20].decode("ascii", "replace")
    if text.isdecimal() and int(text) > VERSION:
        raise StoreFormat(
            f"{where} has format {text}, written by a newer Loom; this one knows format {VERSION}: "
            "update Loom (pip install --upgrade loom-runtime), or use another folder"
        )
    raise StoreFormat(
        f"{where} has format {text}, which this Loom (format {VERSION}) does not know; "
        "open it with the Loom that wrote it, or use another folder"
    )
