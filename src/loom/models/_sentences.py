"""Text as pieces to be spoken one after the other: the first one short, so that the first sound is early."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 200
FIRST = 60
SHORTEST_CLAUSE = 12
_SENTENCE = re.compile(r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+|\n\s*|[\u3002\uff01\uff1f]\s*")
_CLAUSE = re.compile(r"[,;:\u2014]\s+|\s[-\u2013]\s+")
_SPACE = re.compile(r"\s+")
_TITLE = re.compile(r"(?:^|[\s(\"'])(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|No)\.\s+$")


def pieces(text: str, first: int = FIRST, longest: int = LONGEST) -> Iterator[str]:
    """The pieces of *text* in order: sentences where possible, at most *longest* characters (*first* the first).

    Joined they are *text*. A piece without a letter or digit goes with its neighbour.
    """
    start = 0
    while start < len(text):
        limit = first if start == 0 else longest
        end = _end(text, start, min(limit, longest), early=start == 0)
        yield text[start:end]
        start = end


def _end(text: str, start: int, limit: int, early: bool) -> int:
    """Where the piece that begins at *start* ends: the end of the sentence, else of a clause, else of a word."""
    window = text[start : start + limit]
    if early and (clause := _first_clause(window)):
        return start + clause
    if (sentence := _first_sentence(window)) is not None:
        return start + sentence
    if start + limit >= len(text):
        return len(text)
    for pattern in (_CLAUSE, _SPACE):
        ends = [match.end() for match in pattern.finditer(window) if match.end() >= SHORTEST_CLAUSE]
        if ends:
            return start + ends[-1]
    return start + len(window)


def _first_sentence(window: str) -> int | None:
    for match in _SENTENCE.finditer(window):
        said = window[: match.end()]
        if any(map(str.isalnum, said)) and not _TITLE.search(said):
            return match.end()
    return None


def _first_clause(window: str) -> int | None:
    sentence = _first_sentence(window)
    for match in _CLAUSE.finditer(window):
        if match.end() >= SHORTEST_CLAUSE:
            return match.end() if sentence is None else min(sentence, match.end())
    return sentence
