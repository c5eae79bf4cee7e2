"""What a text is about in words that embeddings hardly see: numbers, negations, names, opposites.

Two texts whose embeddings are near mean the same only if these agree, in their order: "flights from Berlin to Paris"
and back have a cosine of 0.997. A name is what has a capital within a sentence, or follows "in", "to" and the like; it
is also what is quoted, or not letters alone. Words that are not of Latin script have to agree altogether.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from loom.router._words import BEFORE_NAMES, LIGHT, STARTS, WEIGHTY

_TOKEN = re.compile(r"[\w'\N{RIGHT SINGLE QUOTATION MARK}@#/\\.:+%$€£°*=<>^~|&-]+")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|`[^`]*`|«[^»]*»|(?<!\w)'[^']*'(?!\w)")
_EDGES = ".:'\N{RIGHT SINGLE QUOTATION MARK}*"
_LATIN = re.compile(r"[^\W\d_]+", re.ASCII)


class Matter(NamedTuple):
    """The words of a text that must agree, in their order, and all words that are not light."""

    weighty: tuple[str, ...]
    words: frozenset[str]


def matter_of(text: str) -> Matter:
    """What *text* is about."""
    quoted = tuple(each.group() for each in _QUOTED.finditer(text))
    weighty: list[str] = []
    words: set[str] = set()
    start, before = True, ""
    for found in _TOKEN.finditer(text):
        raw = found.group().strip(_EDGES).rstrip("-")
        word = raw.casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
        ended = text[found.end() : found.end() + 1] in ("!", "?", "") or found.group().endswith((".", ":"))
        if word:
            weighty += _weighty(raw, word, start, before)
            if word not in LIGHT:
                words.add(word)
            before = before if word in LIGHT and before in BEFORE_NAMES else word
        start = ended
    return Matter((*quoted, *weighty), frozenset(words))


def distance(one: Matter, other: Matter) -> float | None:
    """The part of the usual distance that texts about *one* and *other* may be apart; None when they are not the same.

    Half of it for those that differ in one word alone, as "call mum" and "call dad" do.
    """
    if one.weighty != other.weighty:
        return None
    here, there = one.words - other.words, other.words - one.words
    return 0.5 if len(here) == len(there) == 1 else 1.0


def _weighty(raw: str, word: str, start: bool, before: str) -> list[str]:
    """What of a word must agree: [] when it may be said otherwise."""
    if word.endswith("n't"):
        return ["not"]
    if raw.isupper() and len(raw) > 1:  # "US" is not "us"
        return [raw]
    bare = word.removesuffix("'s")
    if bare in WEIGHTY or (_LATIN.fullmatch(bare) is None and not _accented(bare)):
        return [bare]
    if bare in LIGHT:
        return []
    name = raw != raw.lower() and not (start and raw[1:] == raw[1:].lower() and bare in STARTS)
    return [bare] if name or before in BEFORE_NAMES else []


def _accented(word: str) -> bool:
    """Whether *word* is letters of Latin script, some with accents, and hyphens or apostrophes between them."""
    return all(each in "'-" or (each.isalpha() and each < "\u0250") for each in word)
