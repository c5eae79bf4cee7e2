"""A text as detectors read it - without disguises, decoded - and where each of its characters stood before."""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from urllib.parse import unquote

MASK = "\ufdd0"
"""Stands for what is hidden already: no letter, no digit, no space."""
MARGIN = 512
"""How far from an escape a text is looked at again once the escape is undone."""
LEVELS = 3
"""How often an encoding within an encoding is undone."""

_INVISIBLE = re.compile(  # colours of a terminal, controls, formats, what fills or stands above and below letters
    "\x1b\\[[0-9;?]{0,16}[A-Za-z]|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0600-\u0605\u0610-\u061a\u061c\u064b-\u065f\u0670\u06d6-\u06dd\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u070f\u0890"
    "\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u20d0-\u20ff\u3164\ud800-\udfff\ufdd1-\ufdef\ufe00-\ufe0f\ufe20-\ufe2f\ufeff\uffa0\ufff0-\uffff\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_ENCODED = re.compile(
    r"%[0-7][0-9A-Fa-f]|%[c-fC-F][0-9A-Fa-f](?:%[89abAB][0-9A-Fa-f]){1,3}|&#(?:[xX][0-9A-Fa-f]{1,6}|\d{1,7});?|&[A-Za-z]{2,31};"
    r"|\\u(?:\{[0-9A-Fa-f]{1,6}\}|[0-9A-Fa-f]{4})|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}|\\[/@.\"'_+:&=\-\\nrt]"
)
_LINES = {"n": "\n", "r": "\r", "t": "\t"}


class _Folding(dict[int, int]):
    """One character for one: NFKC, digits of any script, dashes and spaces; what has no such form stays."""

    def __missing__(self, code: int) -> int:
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char)
        result = ord(plain) if len(plain) == 1 else code
        if (digit := unicodedata.decimal(char, None)) is not None:
            result = ord("0") + digit
        elif (category := unicodedata.category(char)) == "Pd" or char == "\u2212":
            result = ord("-")
        elif category == "Zs":
            result = ord(" ")
        self[code] = result
        return result


class _Lower(dict[int, int]):
    """One character for one: small letters."""

    def __missing__(self, code: int) -> int:
        small = chr(code).casefold()
        result = ord(small) if len(small) == 1 else code
        self[code] = result
        return result


_FOLDING = _Folding(
    {
        **dict.fromkeys((0x3002, 0xFF61), ord(".")),
        **dict.fromkeys((0x85, 0x2028, 0x2029), ord("\n")),
        **dict.fromkeys((0x02D7, 0x2043, 0x207B, 0x208B), ord("-")),
        **dict.fromkeys((0x2022, 0x2027, 0x22C5), 0xB7),
        0x2800: ord(" "),
    }
)
_LOWER = _Lower()


class View:
    """*text* made from another view by edits; `span` leads back to the text that the first was made of."""

    __slots__ = ("_below", "_edits", "_starts", "text", "windows")

    def __init__(self, text: str) -> None:
        self.text = text
        self.windows = [(0, len(text))]
        """The parts of the text that are worth a look: the others are as in the view that this one was decoded from."""
        self._below: View | None = None
        self._starts: list[int] = []
        self._edits: list[tuple[int, int, int]] = []  # end here, start below, end below

    def edited(self, pattern: re.Pattern[str], put: Callable[[str], str]) -> View:
        """The same with each match of *pattern* replaced; itself where there is none."""
        pieces: list[str] = []
        result, at, size = View(""), 0, 0
        for match in pattern.finditer(self.text):
            start, end = match.span()
            new = put(match[0])
            size += start - at
            pieces += (self.text[at:start], new)
            result._starts.append(size)
            size += len(new)
            result._edits.append((size, start, end))
            at = end
        if not pieces:
            return self
        result.text, result._below = "".join([*pieces, self.text[at:]]), self
        result.windows = [(0, len(result.text))]
        return result

    def folded(self) -> View:
        """The same without invisible characters, in plain digits, dashes, spaces and letters."""
        clean = self.edited(_INVISIBLE, lambda _: "")
        return clean if clean.text.isascii() else clean._with(clean.text.translate(_FOLDING))

    def decoded(self) -> View:
        """The same with percent, HTML and backslash escapes undone once; itself where there are none."""
        if not any(char in self.text for char in "%&\\"):
            return self
        edited = self.edited(_ENCODED, _decode)
        if edited is self:
            return self
        result = edited.folded()
        result.windows = edited.around() if len(result.text) == len(edited.text) else [(0, len(result.text))]
        return result

    def around(self) -> list[tuple[int, int]]:
        """The parts of the text that have an edit within MARGIN characters."""
        parts: list[tuple[int, int]] = []
        for start, (end, *_) in zip(self._starts, self._edits, strict=True):
            if parts and start - MARGIN <= parts[-1][1]:
                parts[-1] = parts[-1][0], min(end + MARGIN, len(self.text))
            else:
                parts.append((max(start - MARGIN, 0), min(end + MARGIN, len(self.text))))
        return parts

    def _with(self, text: str) -> View:
        same = View(text)
        same._below, same._starts, same._edits = self._below, self._starts, self._edits
        return same

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters from *start* up to *end* came from in the first text; all of an escape, if any of it."""
        if self._below is None:
            return start, end
        return self._below.span(self._at(start, 1), max(self._at(end - 1, 2), self._at(start, 1)))

    def _at(self, position: int, side: int) -> int:
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return position + side - 1
        end, *below = self._edits[index]
        return below[side - 1] if position < end else below[1] + position - end + side - 1


def views(text: View) -> list[View]:
    """*text* without disguises, then decoded again and again, up to LEVELS times."""
    result = [text.folded()]
    while len(result) <= LEVELS and (more := result[-1].decoded()) is not result[-1]:
        result.append(more)
    return result


def small(text: str) -> str:
    """*text* in small letters, of the same length."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def plain(text: str) -> str:
    """*text* as detectors compare it: without disguises and in small letters."""
    return small(View(text).folded().text)


def _decode(found: str) -> str:
    if found[0] == "%":
        return unquote(found, errors="replace")
    if found[0] == "&":
        return html.unescape(found)
    if found[1] in "uUx":
        code = int(found[2:].strip("{}"), 16)
        return chr(code) if code <= 0x10FFFF else found
    return _LINES.get(found[1], found[1])
