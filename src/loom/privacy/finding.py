"""What a detector finds: a span of a text and the kind of thing that stands there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

KINDS = (
    "TEXT", "WORD", "KEY", "SECRET", "CARD", "IBAN", "EMAIL", "ID", "MAC", "IP", "PHONE", "ADDRESS", "NAME", "DATA",
)  # fmt: skip
"""Every kind, the most telling first: where findings overlap, the first of them gives its name to the whole."""
_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


class Finding(NamedTuple):
    """The characters from *start* up to *end* are a *kind* (one of KINDS)."""

    start: int
    end: int
    kind: str


class Detector(Protocol):
    """Finds things of one sort in a text; its time grows with the length of the text and no faster."""

    @property
    def name(self) -> str: ...

    def find(self, text: str) -> Iterable[Finding]: ...


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Disjoint spans in order that cover every character of *findings*; what overlaps is one, of the first kind."""
    result: list[Finding] = []
    for each in sorted(set(findings)):
        if result and each.start < result[-1].end:
            last = result[-1]
            kind = min(last.kind, each.kind, key=lambda kind: _RANK.get(kind, len(_RANK)))
            result[-1] = Finding(last.start, max(last.end, each.end), kind)
        else:
            result.append(each)
    return result


def joined(found: list[Finding], more: list[Finding]) -> None:
    """Add *more*, which is in order like *found* and may overlap its end, so that it stays disjoint and in order."""
    late: list[Finding] = []
    first = min((each.start for each in more), default=0)
    while more and found and found[-1].end > first:
        late.append(found.pop())
    found += merged([*late, *more])


def without(findings: Iterable[Finding], holes: Iterable[tuple[int, int]]) -> list[Finding]:
    """What is left of disjoint *findings* in order outside of disjoint *holes* in order."""
    result: list[Finding] = []
    rest = list(holes)[::-1]
    for start, end, kind in findings:
        while rest and rest[-1][1] <= start:
            rest.pop()
        here = len(rest) - 1
        while here >= 0 and rest[here][0] < end:
            result.append(Finding(start, rest[here][0], kind))
            start, here = max(start, rest[here][1]), here - 1
        result.append(Finding(start, end, kind))
    return [each for each in result if each.start < each.end]
