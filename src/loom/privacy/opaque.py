"""Texts that are no texts: pictures, sound and other files written as base64."""

from __future__ import annotations

import base64
import binascii
import re

from loom.privacy.steps import Steps, done

_DATA = re.compile(r"data:(?!text/)[\w.+\-]{1,64}/[\w.+\-]{1,64}[^,\s]{0,128};base64,", re.IGNORECASE)
_RUN = re.compile(r"(?:[A-Za-z0-9+/_\-]{512,}+|(?:[A-Za-z0-9+/]{60,100}\r?\n){6,}+)")
_LOOKED_AT = 1_024
_SHORTEST = 360  # a shorter text has no run
_PART = 65_536
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-\r\n")
_ARMOURED = 60_000  # what stands in armour is found up to there


def opaque(text: str) -> bool:
    """Whether *text* holds a file in base64, of which nobody can say what it shows."""
    return done(looking(text))


def looking(text: str) -> Steps[bool]:
    """`opaque` in steps."""
    wrapped = "base64," in text
    for at in range(0, len(text) if wrapped or len(text) >= _SHORTEST else 0, _PART):
        end = at + _PART + _LOOKED_AT
        if wrapped and _DATA.search(text, at, end):
            return True
        if any(_unread(match) for match in _RUN.finditer(text, at, end) if not _goes_on(match, at)):
            return True
        yield _PART
    return False


def _goes_on(match: re.Match[str], at: int) -> bool:
    """Whether a run that is found from *at* began before: it was looked at there."""
    return 0 < at == match.start() and match.string[at - 1] in _ALPHABET


def _unread(match: re.Match[str]) -> bool:
    """Whether a run is a file, and none that a detector finds: a key in its armour."""
    armoured = "-----BEGIN " in match.string[max(0, match.start() - 128) : match.start()]
    whole = _RUN.match(match.string, match.start()) if armoured else None
    return not (whole and len(whole[0]) < _ARMOURED) and _binary(match[0])


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
