"""From passages to an answer: which ones fit a question, which line says it, and what a model may add. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

THRESHOLD = 0.30
"""Below it nothing on the desk is about the question: tuned on questions with and without an answer, see the page."""
NEAR = 0.15  # how far behind the best a passage may be and still be shown
WORDS = 0.12  # what a passage gains that has all words of the question
MOST_HITS = 3
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)")
_COMMON = frozenset({
    "a", "about", "all", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did",
    "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in", "into", "is", "it",
    "its", "long", "many", "may", "me", "mine", "much", "my", "name", "no", "not", "now", "of", "often", "on", "or",
    "our", "out", "she", "should", "so", "than", "that", "the", "their", "them", "there", "these", "they", "this", "to",
    "up", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with",
    "would", "you", "your",
})  # fmt: skip


class Hit(NamedTuple):
    """A passage that fits a question: where it stands, what it says, and how well it fits, 0 to about 1."""

    name: str
    first: int
    last: int
    text: str
    score: float
    path: str = ""

    @property
    def place(self) -> str:
        """The file and the lines: ``soup.md:3-7``."""
        return f"{self.name}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


def words(text: str) -> list[str]:
    """The words of *text* that mean something, each once, without endings that say how many."""
    found = dict.fromkeys(_stem(word) for word in _WORD.findall(text.lower()) if word not in _COMMON)
    return [word for word in found if word]


def overlap(wanted: Sequence[str], text: str) -> float:
    """The share of *wanted* words that *text* has, 0 to 1."""
    if not wanted:
        return 0.0
    there = {_stem(word) for word in _WORD.findall(text.lower())}
    return sum(word in there for word in wanted) / len(wanted)


def best(hits: Sequence[Hit], most: int = MOST_HITS) -> list[Hit]:
    """The hits worth showing, best first; none when even the best is not about the question."""
    ranked = sorted(hits, key=lambda hit: (-hit.score, hit.name, hit.first))
    if not ranked:
        return []
    floor = max(THRESHOLD, ranked[0].score - NEAR)
    near: dict[str, Hit] = {}
    for hit in ranked:
        if hit.score >= floor:
            near.setdefault(hit.text, hit)  # the same words once
    return list(near.values())[:most]


def is_heading(line: Hit) -> bool:
    """Whether a line only names what follows, as titles do: a poor thing to quote."""
    text = line.text
    title = (
        text[:1].isupper() and len(text.split()) <= 7 and text[-1] not in ".!?:;," and not _DIGIT.search(text)
    )
    return text.startswith("#") or title


def lines(hit: Hit, most: int = 12) -> list[Hit]:
    """The sentences of a passage, each with the lines it stands on: what can be quoted."""
    found: list[Hit] = []
    for number, line in enumerate(hit.text.split("\n"), hit.first):
        for part in filter(None, (each.strip() for each in _SENTENCE.split(line))):
            if found and _goes_on(found[-1], number, part):
                before = found.pop()
                found.append(before._replace(last=number, text=f"{before.text} {part}"))
            else:
                found.append(hit._replace(first=number, last=number, text=part))
    return found[:most]


def _goes_on(before: Hit, number: int, text: str) -> bool:
    """Whether *text* on line *number* is the rest of a sentence that was broken at the end of its line."""
    broken = before.last == number - 1 and before.text[-1] not in ".!?:;}]," and len(before.text) > 40
    return broken and text[:1].islower()


def grounded(reply: str, hits: Sequence[Hit], question: str) -> bool:
    """Whether a model's reply says only what stands in the passages: every number, and most of its words."""
    if not reply.strip():
        return False
    source = " ".join([question, *(f"{hit.name} {hit.text}" for hit in hits)])
    if set(re.findall(r"\d+", reply)) - set(re.findall(r"\d+", source)):
        return False
    return overlap(words(reply), source) >= 0.7


def prompt(question: str, hits: Sequence[Hit], longest: int = 900) -> list[dict[str, str]]:
    """What the chat model is asked: the passages as notes, then the question."""
    notes = "\n\n".join(hit.text for hit in hits)[:longest]
    return [
        {
            "role": "system",
            "content": "Answer the question in one short sentence. Use only the notes. Copy names and numbers exactly.",
        },
        {"role": "user", "content": f"Notes:\n{notes}\n\nQuestion: {question}"},
    ]


def as_hits(found: Sequence[Mapping[str, Any]]) -> list[Hit]:
    """Hits from the reply to a search."""
    return [Hit(**each) for each in found]


def _stem(word: str) -> str:
    """A word without its plural: enough to find "lentils" by "lentil"."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
