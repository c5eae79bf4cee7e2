"""Finding literal values wherever they stand: in any case, disguised, or encoded in base64 or hexadecimal."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from loom.privacy.finding import Finding
from loom.privacy.view import plain

SHORTEST = 4
"""Values of fewer characters are hidden where they were found, and not looked for elsewhere."""
LONGEST = 65_536
"""A longer value is found again where no slice of a long text cuts it."""
_ALONE = 6
"""Shorter values are found only where no letter or digit touches them."""
_FEW = 200
"""Up to so many forms are looked for one by one; more of them by their beginnings."""
_COMPACT = frozenset(["CARD", "IBAN", "PHONE"])


class Literals:
    """Values to be found again; `find` takes a text as `small` and `View.folded` give it."""

    __slots__ = ("_begun", "_forms", "_known", "longest")

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._forms: dict[str, str] = {}
        self._begun: dict[str, list[str]] = {}
        self.longest = 0
        """Characters of the longest form that is sought, LONGEST at most."""

    def __bool__(self) -> bool:
        return bool(self._forms)

    def add(self, value: str, kind: str) -> None:
        """Look for *value* from now on."""
        if value in self._known or len(text := plain(value).strip()) < SHORTEST:
            return
        self._known.add(value)
        for form in _forms(value, text, kind):
            if len(form) >= SHORTEST and form not in self._forms:
                self._forms[form] = kind
                self.longest = max(self.longest, min(len(form), LONGEST))
                self._begun.setdefault(form[:SHORTEST], []).append(form)

    def find(self, text: str) -> Iterator[Finding]:
        """Where values stand in *text*."""
        many = len(self._forms) > _FEW
        for start, form in self._by_beginning(text) if many else _one_by_one(text, self._forms):
            end = start + len(form)
            if len(form) >= _ALONE or not (
                text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum()
            ):
                yield Finding(start, end, self._forms[form])

    def _by_beginning(self, text: str) -> Iterator[tuple[int, str]]:
        begun = self._begun
        for start in range(len(text) - SHORTEST + 1):
            forms = begun.get(text[start : start + SHORTEST])
            if forms is not None:
                yield from ((start, form) for form in forms if text.startswith(form, start))


def _one_by_one(text: str, forms: Iterable[str]) -> Iterator[tuple[int, str]]:
    for form in forms:
        start = text.find(form)
        while start >= 0:
            yield start, form
            start = text.find(form, start + len(form))


def _forms(value: str, text: str, kind: str) -> set[str]:
    """What *value*, read as *text*, looks like: itself, without its gaps, and encoded at each of three offsets."""
    forms = {text}
    if kind in _COMPACT:
        forms.add("".join(char for char in text if char.isalnum() or char == "+"))
    for spelled in {value, text}:
        data = spelled.encode("utf-8", "surrogatepass")
        if len(data) >= _ALONE:
            forms.update((data.hex(), data.hex(" "), data.hex(":")), _base64(data))
    return forms


def _base64(data: bytes) -> Iterator[str]:
    """The part of base64 that *data* alone decides, in small letters, in both alphabets."""
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + data).decode().rstrip("=").lower()
        sure = text[(0, 2, 3)[offset] : len(text) - bool((offset + len(data)) % 3)]
        yield from (sure, sure.replace("+", "-").replace("/", "_"))
