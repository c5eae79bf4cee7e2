"""Confidentiality and integrity of data: a lattice whose join travels with everything derived."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Confidentiality(IntEnum):
    """Who may see it: anybody, cleared systems after redaction, cleared systems, this device alone."""

    PUBLIC = 0
    SENSITIVE = 1
    PRIVATE = 2
    LOCAL_ONLY = 3


class Label(NamedTuple):
    """Confidentiality and integrity of one piece of data.

    The join of two labels is the more confidential and the less trusted of both (Denning, "A lattice model of
    secure information flow", 1976): commutative, associative, idempotent, with PUBLIC as its identity.
    """

    confidentiality: Confidentiality = Confidentiality.PUBLIC
    untrusted: bool = False

    def join(self, other: Label) -> Label:
        """The least label that covers both."""
        if other is self:
            return self
        return Label(max(self[0], other[0]), self[1] or other[1])

    def covers(self, other: Label) -> bool:
        """Whether data of label *other* may be treated as data of this label."""
        return self[0] >= other[0] and (self[1] or not other[1])

    @classmethod
    def parse(cls, text: str) -> Label:
        """Read ``"private"`` or ``"private, untrusted"``; raises ValueError naming the word it does not know."""
        words = [w for w in text.replace("-", "_").replace(",", " ").upper().split() if w]
        untrusted = "UNTRUSTED" in words
        names = [w for w in words if w not in ("UNTRUSTED", "TRUSTED")] or ["PUBLIC"] * bool(words)
        if len(names) != 1 or names[0] not in Confidentiality.__members__:
            known = ", ".join(c.name.lower().replace("_", "-") for c in Confidentiality)
            raise ValueError(f"no label {text!r}; use one of {known}, with 'untrusted' after it if need be")
        return cls(Confidentiality[names[0]], untrusted)

    def __str__(self) -> str:
        name = self.confidentiality.name.lower().replace("_", "-")
        return f"{name}, untrusted" if self.untrusted else name


PUBLIC = Label()


def join(labels: Iterable[Label]) -> Label:
    """The join of all labels; PUBLIC for none."""
    result = PUBLIC
    for label in labels:
        result = result.join(label)
    return result
