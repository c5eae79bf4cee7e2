"""Bytes that come in pieces, taken apart into lines of bounded length. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line without its end, and how many of its bytes were left out."""

    text: str
    cut: int


class Lines:
    """Takes pieces, gives lines; keeps at most *longest* bytes of one that has not ended."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._kept = bytearray()
        self._cut = 0
        self._begun = False

    def feed(self, piece: bytes) -> list[Line]:
        """The lines that end within *piece*."""
        *ended, rest = piece.split(b"\n")
        lines = []
        for part in ended:
            self._keep(part)
            lines.append(self._line())
        if rest:
            self._keep(rest)
        return lines

    def end(self) -> list[Line]:
        """The last line, if it has no end of its own."""
        return [self._line()] if self._begun else []

    def _keep(self, part: bytes) -> None:
        self._begun = True
        room = self.longest - len(self._kept)
        self._kept += part[:room]
        self._cut += max(0, len(part) - room)

    def _line(self) -> Line:
        kept = bytes(self._kept)
        line = Line(kept.removesuffix(b"\r").decode("utf-8", "replace"), self._cut)
        self._kept.clear()
        self._cut, self._begun = 0, False
        return line
