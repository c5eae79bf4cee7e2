"""What stands for the hidden values of one conversation, both ways."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loom.errors import NotRedacted
from loom.privacy.finding import KINDS

LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"
"""What a nonce is made of: no vowels, so no words."""
NONCE = 5
LONGEST = 64
"""How many characters a placeholder has at most, however it was bent."""

Scalar = str | int | float


class Limits(NamedTuple):
    """What one conversation may hide: so many different values, of so many characters together."""

    values: int = 2_000
    characters: int = 4_000_000


USUAL = Limits()


class _Row(NamedTuple):
    kind: str
    number: int
    value: Scalar


class Placeholders:
    """Values and the placeholders ``<KIND_NUMBER_NONCE>`` that stand for them; the nonce is no other conversation's.

    The same value has the same placeholder for as long as this lives. Nothing here shows a value: not its
    representation, not its errors.
    """

    __slots__ = ("_counts", "_limits", "_rows", "_size", "_told", "nonce")

    def __init__(self, nonce: str, limits: Limits = USUAL) -> None:
        self.nonce, self._limits = nonce, limits
        self._told: dict[tuple[type, Scalar], str] = {}
        self._rows: dict[str, _Row] = {}
        self._counts: Counter[str] = Counter()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Placeholders {sum(self._counts.values())} values>"

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, value: Scalar, kind: str) -> str:
        """The placeholder of *value*; raises NotRedacted when the conversation hides too much."""
        key = (type(value), value)
        if (found := self._told.get(key)) is not None:
            return found
        self._size += len(str(value))
        if len(self._rows) >= self._limits.values or self._size > self._limits.characters:
            raise NotRedacted(
                f"this conversation hides over {self._limits.values:,} values or {self._limits.characters:,} "
                "characters of them; begin another one, or ask a local backend"
            )
        self._counts[kind] += 1
        result = f"<{kind}_{self._counts[kind]}_{self.nonce}>"
        self._told[key], self._rows[result] = result, _Row(kind, self._counts[kind], value)
        return result

    def issued(self, text: str) -> bool:
        """Whether *text* is a placeholder of this conversation, to the letter."""
        return text in self._rows

    def value(self, placeholder: str) -> Scalar | None:
        """What *placeholder*, to the letter, stands for; None when it is none."""
        row = self._rows.get(placeholder)
        return None if row is None else row.value

    def holes(self, text: str) -> list[tuple[int, int]]:
        """Where issued placeholders stand in *text*."""
        if self.nonce not in text:
            return []
        return [match.span() for match in EXACT.finditer(text) if match[0] in self._rows]

    def lookalikes(self, text: str) -> Iterator[tuple[int, int]]:
        """Where something stands that would be taken for a placeholder and is none that was issued."""
        if self.nonce.lower() in text.lower():
            for match in _FORM.finditer(text):
                if self._mine(match) and match[0] not in self._rows:
                    yield match.span()

    def restore(self, text: str, as_json: bool = False) -> str:
        """*text* with values for placeholders, bent ones included; *as_json*: they stand within strings of JSON."""
        if self.nonce.lower() not in text.lower():
            return text
        return _FORM.sub(lambda match: self._back(match, as_json), text)

    def settled(self, before: str, text: str, as_json: bool) -> tuple[str, int]:
        """What *text* after *before* is, restored, up to where a placeholder may have begun; and where that is.

        Pure: the longest part that no continuation can change. *before* is the character before it, if any.
        """
        whole = before + text
        matches = list(_FORM.finditer(whole, len(before))) if self.nonce.lower() in whole.lower() else []
        held = self._held(whole, max(len(before), len(whole) - LONGEST), matches)
        settled = [match for match in matches if match.end() <= held]
        return self._filled(whole[:held], len(before), settled, as_json), held - len(before)

    def rest(self, before: str, text: str, as_json: bool) -> str:
        """*text* after *before*, restored to its end."""
        whole, at = before + text, len(before)
        return self._filled(whole, at, _FORM.finditer(whole, at), as_json)

    def _filled(self, whole: str, at: int, matches: Iterable[re.Match[str]], as_json: bool) -> str:
        pieces: list[str] = []
        for match in matches:
            pieces += (whole[at : match.start()], self._back(match, as_json))
            at = match.end()
        return "".join([*pieces, whole[at:]])

    def _held(self, whole: str, start: int, matches: list[re.Match[str]]) -> int:
        inside = {at for match in matches for at in range(match.start() + 1, match.end())}
        while match := _PARTIAL.search(whole, start):
            if match.start() not in inside:
                return match.start()
            start = match.start() + 1
        return len(whole)

    def _back(self, match: re.Match[str], as_json: bool) -> str:
        kind, number, nonce = _parts(match)
        row = self._rows.get(f"<{kind.upper()}_{int(number)}_{nonce.upper()}>")
        if row is None:
            return match[0]
        return json.dumps(str(row.value), ensure_ascii=False)[1:-1] if as_json else str(row.value)

    def _mine(self, match: re.Match[str]) -> bool:
        return _parts(match)[2].upper() == self.nonce


_SPACE = r"[ \t]{0,2}"
_BREAK = r"\\?[_ \-]{1,2}\\?"
_NONCE = f"[{LETTERS}]"


def _parts(match: re.Match[str]) -> tuple[str, str, str]:
    """Kind, number and nonce of a match of _FORM, with brackets or without."""
    first = 1 if match[1] else 4
    return match[first], match[first + 1], match[first + 2]


def _form() -> str:
    """Placeholders in any case, with spaces, other brackets or none."""
    core = rf"({'|'.join(KINDS)}){_BREAK}(\d{{1,7}}){_BREAK}({_NONCE}{{{NONCE}}})"
    opened = rf"(?:<|&lt;|\\u003c|\\<|%3c|‹|＜|〈){_SPACE}{core}{_SPACE}(?:>|&gt;|\\u003e|\\>|%3e|›|＞|〉)"
    return rf"{opened}|(?<![^\W_]){core}(?![^\W_])"


def _partial() -> str:
    """What a placeholder may begin with, up to the end of the text."""
    closing = rf"{_SPACE}(?:&(?:g(?:t)?)?|%3?|\\(?:u(?:0(?:0(?:3)?)?)?)?)?"
    nonce = rf"\\?(?:{_NONCE}{{1,{NONCE - 1}}}|{_NONCE}{{{NONCE}}}{closing})?"
    number = rf"\\?[_ \-]{{0,2}}\\?(?:\d{{1,7}}(?:\\?[_ \-]{{0,2}}{nonce})?)?"
    begun = "|".join(sorted({kind[:size] for kind in KINDS for size in range(1, len(kind))}))
    opening = rf"(?:&lt;|\\u003c|\\<|%3c|[<‹＜〈]){_SPACE}"
    return (
        rf"(?:(?:{opening}|(?<![^\W_]))(?:(?:{'|'.join(KINDS)}){number}|{begun})|{opening}"
        r"|&(?:lt?)?|%3?|\\(?:u(?:0(?:03?)?)?)?)\Z"
    )


EXACT = re.compile(rf"<(?:{'|'.join(KINDS)})_[1-9]\d{{0,6}}_{_NONCE}{{{NONCE}}}>")
"""What a placeholder is to the letter."""
_FORM = re.compile(_form(), re.IGNORECASE)
_PARTIAL = re.compile(_partial(), re.IGNORECASE)
