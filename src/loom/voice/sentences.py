"""Sentences out of a text that arrives in pieces, each as early as it is complete."""

from __future__ import annotations

import re

_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s)|\n+")
_ABBREVIATION = re.compile(r"\b(?:mr|mrs|ms|dr|st|prof|e\.g|i\.e|etc|vs|no|[A-Za-z])\.$", re.IGNORECASE)
LONGEST = 300


class Sentences:
    """Cuts what `add` gets; the sentences joined by spaces are the text, whatever the pieces were."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = ""

    def add(self, piece: str) -> list[str]:
        """The sentences that *piece* completes."""
        self._rest += piece
        done: list[str] = []
        while (end := self._first_end()) is not None:
            done.append(self._rest[:end])
            self._rest = self._rest[end:].lstrip()
        return [clean for each in done if (clean := " ".join(each.split()))]

    def finish(self) -> list[str]:
        """What is left when the text is over."""
        rest, self._rest = " ".join(self._rest.split()), ""
        return [rest] if rest else []

    def _first_end(self) -> int | None:
        for found in _END.finditer(self._rest, 0, self._longest + 1):  # further on nothing can end a sentence
            if found.end() > self._longest:
                break
            if not _ABBREVIATION.search(self._rest[: found.end()]):
                return found.end()
        if len(self._rest) <= self._longest:
            return None
        space = self._rest.rfind(" ", 1, self._longest)
        return space if space > 0 else self._longest
