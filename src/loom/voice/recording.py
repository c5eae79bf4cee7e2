"""The last seconds of a stream of sound, so that what led up to a word can still be cut out of it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

WIDTH = 2


class Piece(NamedTuple):
    """Sound of one channel, 16 bit, from *at* seconds of its stream on."""

    at: float
    pcm: bytes


class Recording:
    """At most *seconds* of sound of *rate* samples a second; what is older is forgotten."""

    def __init__(self, seconds: float = 30.0, rate: int = 16_000) -> None:
        self.rate = rate
        self._most = int(seconds * rate) * WIDTH
        self._pieces: deque[Piece] = deque()
        self._bytes = 0

    @property
    def end(self) -> float:
        """Where the last sound ends, seconds."""
        if not self._pieces:
            return 0.0
        last = self._pieces[-1]
        return last.at + self._seconds(last.pcm)

    def add(self, at: float, pcm: bytes) -> None:
        """Sound that begins at *at* seconds; no sound takes no room."""
        if not pcm:
            return
        self._pieces.append(Piece(at, pcm))
        self._bytes += len(pcm)
        while self._bytes > self._most and len(self._pieces) > 1:
            self._bytes -= len(self._pieces.popleft().pcm)

    def cut(self, start: float, end: float) -> bytes:
        """What was heard from *start* to *end*, as far as it is still there; sound that never came is left out."""
        found = [self._part(piece, start, end) for piece in self._pieces]
        return b"".join(found)

    def _part(self, piece: Piece, start: float, end: float) -> bytes:
        first = max(0, round((start - piece.at) * self.rate))
        beyond = max(0, round((end - piece.at) * self.rate))
        return piece.pcm[first * WIDTH : beyond * WIDTH]

    def _seconds(self, pcm: bytes) -> float:
        return len(pcm) / WIDTH / self.rate
