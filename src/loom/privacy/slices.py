"""A long text in slices that overlap, so that no detector looks at all of it at once and nothing is cut in two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from loom.privacy._armour import ARMOUR, BEGIN, armoured
from loom.privacy.finding import Finding
from loom.privacy.placeholders import EXACT, LONGEST

SLICE = 8_192
"""How many characters a slice has, without what it shares with its neighbours."""
MARGIN = 1_024
"""How far a slice reaches into its neighbours: what a finding and the words that tell of it take at most..."""
REACH = 4_096
"""... and as far again to where an unbroken run of characters begins and ends; longer ones are put together after."""

_RUN = re.compile(r"[A-Za-z0-9_.+/=@%~:&#;\\-]*+")
_SOME = re.compile(rf"[A-Za-z0-9_.+/=@%~:&#;\\-]{{0,{REACH}}}+")


class Slice(NamedTuple):
    """The characters from *start* to *end* are looked at for what lies, or begins, from *first* to *last*."""

    start: int
    first: int
    last: int
    end: int

    def whole(self, text: str, found: Finding) -> Finding | None:
        """*found* within the slice as it stands in *text*; None where a neighbour sees more of it.

        What the bounds of the slice cut takes the run of characters with it that it stands in.
        """
        start, end = found.start + self.start, found.end + self.start
        if end <= self.first or start >= self.last:
            return None
        if start == self.start:
            start = _begin(text, start)
        if end == self.end:
            end = _end(text, start, end)
        return Finding(start, end, found.kind)


def slices(text: str, margin: int = MARGIN) -> Iterator[Slice]:
    """*text* in slices, one if it is short; *margin*: how long what is sought may be."""
    margin = max(margin, MARGIN)
    size, length = max(SLICE, 2 * margin), len(text)
    if length <= size + margin:
        yield Slice(0, 0, length, length)
        return
    for first in range(0, length, size):
        last = min(first + size, length)
        start, end = max(first - margin, 0), min(last + margin, length)
        yield Slice(_outer(text, start, -1), first, last, _outer(text, end, 1))


def _outer(text: str, at: int, side: int) -> int:
    """Where the run of characters around *at* ends on that *side*; *at* when it is far, but in no placeholder."""
    if side < 0:
        run = _SOME.match(text[max(at - REACH, 0) : at][::-1])
        far = at - (run.end() if run else 0)
    else:
        run = _SOME.match(text, at)
        far = run.end() if run else at
    if abs(far - at) < REACH:
        at = far
    opened = text.rfind("<", max(at - LONGEST, 0), at)
    cut = EXACT.match(text, opened) if opened >= 0 else None
    return opened if cut is not None and cut.end() > at else at


def _begin(text: str, at: int) -> int:
    """Where the run of characters begins that *at* stands in."""
    while at > 0:
        run = _SOME.match(text[max(at - REACH, 0) : at][::-1])
        back = run.end() if run else 0
        at -= back
        if back < REACH:
            break
    return at


def _end(text: str, start: int, end: int) -> int:
    """Where the run of characters ends that *end* stands in, or the armour that begins at *start*."""
    run = _RUN.match(text, end)
    end = run.end() if run else end
    begun = text.rfind(BEGIN, start, end)
    if begun >= 0:
        key = next(armoured(text[begun : begun + 2 * ARMOUR]), None)
        end = max(end, end if key is None else begun + key.end)
    return end
