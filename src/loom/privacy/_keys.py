"""Keys, tokens and passwords: by their well-known beginnings, or by the word that tells what follows."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from loom.privacy._armour import armoured
from loom.privacy._commands import commanded
from loom.privacy._forms import known
from loom.privacy._tables import columns
from loom.privacy._told import WORD, told
from loom.privacy.finding import Finding
from loom.privacy.view import small

_URL = re.compile(r"(?<=://)[^\s/@:]{0,128}+:([^\s/]{1,256})@(?=[^\s/@])")
_LONG = re.compile(r"(?<![A-Za-z0-9+/_=.\-])[A-Za-z0-9+/_=.\-]{16,512}+")
_NEAR = re.compile(
    rf"{WORD.pattern}|(?<![^\W_])(?:keys?|schl[üu]ssel|cl[ée]|llave|ключ|login|hash|salt)(?![^\W_])",
    re.IGNORECASE,
)


class Keys:
    """Keys and tokens of known form, and what follows a word such as "password"."""

    name = "keys"

    def find(self, text: str) -> Iterator[Finding]:
        yield from known(text)
        if "://" in text:
            for match in _URL.finditer(text):
                yield Finding(*match.span(1), "SECRET")
        low = small(text)
        yield from commanded(low)
        yield from armoured(text)
        words = list(WORD.finditer(low))
        yield from told(text, low, words)
        yield from columns(text, words)
        yield from _random(text)
        yield from _drawn(text)


def _random(text: str) -> Iterator[Finding]:
    """Long strings that look drawn by lot beside a telling word."""
    for match in _LONG.finditer(text):
        name, _, value = match[0].partition("=")
        start = match.end() - len(value) if value and _NEAR.search(name) else match.start()
        around = text[max(0, start - 48) : start], text[match.end() : match.end() + 24]
        if looks_random(text[start : match.end()]) and any(_NEAR.search(part) for part in around):
            yield Finding(start, match.start() + len(match[0].rstrip(".-")), "KEY")


_DRAWN = (re.compile(r"[A-Za-z0-9_\-]{24,}+"), re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}+"))
_SWITCH = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")


def _drawn(text: str) -> Iterator[Finding]:
    """Long strings in which small letters, capitals and digits take turns as in nothing that somebody thought of."""
    for pattern in _DRAWN:
        for match in pattern.finditer(text):
            if _is_drawn(match[0][:512]):
                yield Finding(*match.span(), "KEY")


def _is_drawn(text: str) -> bool:
    sorts = map(str.isdigit, text), map(str.isupper, text), map(str.islower, text)
    if min(map(sum, sorts)) < 2 or len(_SWITCH.findall(text)) < 0.4 * (len(text) - 1):
        return False
    data = base64.b64decode(text[: len(text) // 4 * 4].replace("-", "+").replace("_", "/"))
    return sum(0x20 <= byte < 0x7F for byte in data) < 0.9 * len(
        data
    )  # base64 of a text is looked through elsewhere


def looks_random(text: str) -> bool:
    """Whether *text* has letters and digits and more than 3 bits of entropy per character."""
    if not (any(char.isdigit() for char in text) and any(char.isalpha() for char in text)):
        return False
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) > 3.0
