"""Cutting a text into passages and sentences that know which lines they stand on. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

LONGEST = 480  # characters of a passage: about 120 tokens, half of what the embedder reads
MOST_PASSAGES = 48  # of one file
MOST_SENTENCES = 40  # of one file that stand for election into its summary
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_BREAK = re.compile(r"(?<=[.!?;,])\s+|\s+")
_HEADING = re.compile(r"#{1,6} |=+$|-{3,}$|(?:class|def|async def|function|fn|func|impl|struct) ")


class Passage(NamedTuple):
    """A piece of a text and the lines it stands on, the first line being 1."""

    first: int
    last: int
    text: str


def passages(text: str, longest: int = LONGEST) -> list[Passage]:
    """Every word of *text* in passages of at most *longest* characters, in order.

    They end at blank lines and before headings where they can, else at the end of a line or sentence; a single word
    that is longer than that is cut.
    """
    found: list[Passage] = []
    gathered: list[Passage] = []
    size = 0
    for piece in _pieces(text, longest):
        gap = piece.first - gathered[-1].last or 1 if gathered else 0
        opens = not piece.text or _HEADING.match(piece.text) is not None
        full = size + gap + len(piece.text) > longest
        if gathered and (full or (opens and size > longest // 3)):
            found.append(_joined(gathered))
            gathered, size, gap = [], 0, 0
        if piece.text:
            gathered.append(piece)
            size += gap + len(piece.text)
    return [*found, _joined(gathered)] if gathered else found


def sentences(text: str, most: int = MOST_SENTENCES) -> list[str]:
    """The first *most* sentences of a text that say something: at least three words, at most 240 characters."""
    found: list[str] = []
    for paragraph in re.split(r"\n\s*\n|\n(?=[#\-*|])", text):
        for sentence in _SENTENCE.split(" ".join(paragraph.split())):
            plain = sentence.lstrip("#-*> ").strip()
            if len(plain.split()) >= 3 and len(plain) <= 240:
                found.append(plain)
            if len(found) == most:
                return found
    return found


def _pieces(text: str, longest: int) -> Iterator[Passage]:
    """Lines, the long ones in parts; a blank line is a piece without text."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if len(line) <= longest:
            yield Passage(number, number, line)
            continue
        for part in _parts(line, longest):
            yield Passage(number, number, part)


def _parts(line: str, longest: int) -> Iterator[str]:
    while len(line) > longest:
        cut = 0
        for found in _BREAK.finditer(line, longest // 2, longest + 1):
            strong = line[found.start() - 1] in ".!?"
            cut = found.start() if found.start() <= longest else cut
            if strong and cut > longest * 2 // 3:
                break
        cut = cut or longest
        yield line[:cut].strip()
        line = line[cut:].strip()
    if line:
        yield line


def _joined(pieces: list[Passage]) -> Passage:
    """One passage, with the line ends that were between its pieces: its third line is the third from its first."""
    text = pieces[0].text
    for before, piece in pairwise(pieces):
        text += ("\n" * (piece.first - before.last) or " ") + piece.text
    return Passage(pieces[0].first, pieces[-1].last, text)
