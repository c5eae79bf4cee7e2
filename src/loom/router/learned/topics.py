"""What a text is about, in a few numbers: where its embedding lies in the directions in which prompts differ most."""

from __future__ import annotations

from base64 import b85decode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from math import isfinite
from operator import mul
from typing import Any

from loom.errors import ModelError, ModelFailed, WorkerError
from loom.router.learned._directions import DIRECTIONS, SCALES, SHIFTS

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Any]]]
"""Texts to vectors of MiniLM-L6 (384 numbers, length 1), on this device: what it is given is not redacted."""
WIDTH = 384
MANY = len(SCALES)
REMEMBERED = 1_000
BROKEN = (ModelError, WorkerError, ValueError, TypeError)
"""What a model raises that has failed, and what comes of the answer of a model of another kind."""
BEGIN, END = 32, 16
"""Characters of a longer text that are embedded: the time that it takes grows with them."""


class Topics:
    """The topics of texts, and those of the latest texts again without asking anybody."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._known: OrderedDict[int, list[float]] = OrderedDict()  # by the hash of a text: no text is kept
        self.failed = 0

    async def find(self, text: str) -> list[float]:
        """From -1 to 1 for each direction; all 0 when the model fails, which `failed` counts."""
        shown = _shown(text)
        if hash(shown) not in self._known:
            try:
                (vector,) = await self._embed([shown])
                self._known[hash(shown)] = topics_of(vector)
            except BROKEN:
                self.failed += 1
                return [0.0] * MANY
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self.known(text)

    def known(self, text: str) -> list[float]:
        """What was found of *text*, all 0 for one that was not, or too long ago."""
        return self._known.get(hash(_shown(text))) or [0.0] * MANY


def topics_of(vector: Sequence[float]) -> list[float]:
    """Where *vector* lies, from -1 to 1 for each direction. Raises ModelFailed for a vector of another kind."""
    values = [float(each) for each in vector]
    if len(values) != WIDTH or not all(map(isfinite, values)):
        raise ModelFailed(f"an embedding of {len(values)} numbers; topics are those of MiniLM-L6, of {WIDTH}")
    found = [
        (sum(map(mul, row, values)) - shift) * scale
        for row, shift, scale in zip(_directions(), SHIFTS, SCALES, strict=True)
    ]
    return [max(-1.0, min(1.0, each)) for each in found]


@cache
def _directions() -> list[list[float]]:
    raw = b85decode(DIRECTIONS)
    return [
        [float(each - 256 if each > 127 else each) for each in raw[row * WIDTH : (row + 1) * WIDTH]]
        for row in range(MANY)
    ]


def _shown(text: str) -> str:
    return text if len(text) <= BEGIN + END else f"{text[:BEGIN]}\n{text[-END:]}"
