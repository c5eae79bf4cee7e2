"""Keys and certificates in their armour: PEM blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

BEGIN = "-----BEGIN "
ARMOUR = 65_536
"""How many characters stand in armour at most; what stands behind them is looked at like any text."""
_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}+-----")
_END = re.compile(r"-----END [A-Z0-9 ]{1,40}+-----")
_BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,\-]{0,65536}+")


def armoured(text: str) -> Iterator[Finding]:
    """PEM blocks; one without an end goes as far as its characters do."""
    at, end = 0, _END.search(text)
    while begin := _BEGIN.search(text, at):
        while end is not None and end.start() < begin.end():
            end = _END.search(text, end.end())
        body = _BODY.match(text, begin.end())
        at = (
            end.end()
            if end is not None and end.end() - begin.end() < ARMOUR
            else body.end()
            if body
            else begin.end()
        )
        yield Finding(begin.start(), at, "KEY")
