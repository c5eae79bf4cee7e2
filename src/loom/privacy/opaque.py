"""Texts that are no texts: pictures, sound and other files written as base64."""

from __future__ import annotations

import base64
import binascii
import re

_DATA = re.compile(r"data:(?!text/)[\w.+\-]{1,64}/[\w.+\-]{1,64}[^,\s]{0,128};base64,", re.IGNORECASE)
_RUN = re.compile(r"(?:[A-Za-z0-9+/_\-]{512,}+|(?:[A-Za-z0-9+/]{60,100}\r?\n){6,}+)")
_LOOKED_AT = 1_024
_ARMOURED = 60_000  # what stands in armour is found up to there


def opaque(text: str) -> bool:
    """Whether *text* holds a file in base64, of which nobody can say what it shows."""
    if "base64," in text and _DATA.search(text):
        return True
    return len(text) >= 360 and any(map(_unread, _RUN.finditer(text)))


def _unread(match: re.Match[str]) -> bool:
    """Whether a run is a file, and none that a detector finds: a key in its armour."""
    armoured = "-----BEGIN " in match.string[max(0, match.start() - 128) : match.start()]
    return not (armoured and len(match[0]) < _ARMOURED) and _binary(match[0])


def _binary(run: str) -> bool:
    """Whether the beginning of *run* is base64 of bytes that are no text, from any of its first four characters."""
    start = re.sub(r"\s", "", run[: _LOOKED_AT + 64]).replace("-", "+").replace("_", "/")
    if start.isupper() or start.islower() or not any(char.isdigit() for char in start):
        return False  # a sequence of letters, hexadecimal
    return not any(_is_text(start[offset : offset + _LOOKED_AT]) for offset in range(4))


def _is_text(run: str) -> bool:
    try:
        text = base64.b64decode(run[: len(run) // 4 * 4]).decode(errors="replace")
    except binascii.Error:
        return False
    good = sum(map(str.isprintable, text)) + sum(map(text.count, "\r\n\t")) - text.count("\ufffd")
    return good >= 0.9 * len(text)
