"""What a text is about, in a line: its own most central sentences, or what its form says. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

LONGEST = 220  # characters of a summary
FIRST = 0.06  # what the first sentence is given in advance: people begin with what matters
_NAMES = re.compile(
    r"^\s*(?:async def|def|class|function|fn|func|struct|impl|interface|type)\s+(\w+)", re.MULTILINE
)


def summarise(sentences: Sequence[str], centrality: Sequence[float], longest: int = LONGEST) -> str:
    """The sentences that are nearest to the middle of them all, in their order, in at most *longest* characters."""
    scores = [score + (FIRST if number == 0 else 0.0) for number, score in enumerate(centrality)]
    chosen: list[int] = []
    room = longest
    for number in sorted(range(len(sentences)), key=lambda each: (-scores[each], each)):
        if len(sentences[number]) + 1 <= room and sentences[number] not in [sentences[c] for c in chosen]:
            chosen.append(number)
            room -= len(sentences[number]) + 1
        if len(chosen) == 2:
            break
    said = " ".join(sentences[number] for number in sorted(chosen))
    return said or cut(" ".join(sentences[:1]), longest)


def outline(form: str, text: str) -> str:
    """For what is not prose: the columns of a table, the keys of data, the names that code defines; else nothing."""
    if form == "table":
        lines = [line for line in text.split("\n") if line.strip()]
        return cut(f"{max(len(lines) - 1, 0)} rows of {lines[0] if lines else 'nothing'}")
    if form == "data":
        return cut(_keys(text))
    if form == "code":
        names = list(dict.fromkeys(_NAMES.findall(text)))
        return cut(f"defines {', '.join(names)}") if names else ""
    return ""


def cut(text: str, longest: int = LONGEST) -> str:
    """*text* on one line, at most *longest* characters of it."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def _keys(text: str) -> str:
    value = json.loads(text)
    if isinstance(value, dict):
        return f"an object with {', '.join(map(str, value))}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"a list of {len(value)}, each with {', '.join(map(str, value[0]))}"
    return f"a list of {len(value)}" if isinstance(value, list) else f"one value: {value}"
