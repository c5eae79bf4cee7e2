"""The signals of an imported policy that Loom can find out, each with how; the others stay unknown. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from loom.privacy import Detector
from loom.router.pattern import window
from loom.router.vllm_import.asked import Asked
from loom.router.vllm_import.personal import kinds_in

Likeness = Mapping[str, float]
"""How like the request each of some texts is: cosines."""


class Signal(Protocol):
    """One signal: the *texts* whose likeness to the request it needs, and what it makes of a request."""

    @property
    def texts(self) -> tuple[str, ...]: ...

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """How strongly it holds: over 0 it does; None: nobody knows."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """Some (``OR``), all (``AND``) or none (``NOR``) of *patterns* are in the text."""

    patterns: tuple[re.Pattern[str], ...]
    operator: str = "OR"
    texts: tuple[str, ...] = ()

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """1.0 or 0.0."""
        found = (each.search(window(asked.text, each)) is not None for each in self.patterns)
        if self.operator == "AND":
            return float(all(found))
        return float(any(found) != (self.operator == "NOR"))


@dataclass(frozen=True, slots=True)
class Counted:
    """A number that is read off the conversation, within *least* and *most*."""

    what: str
    role: str = ""
    least: float = 1.0
    most: float = float("inf")
    pattern: re.Pattern[str] | None = None
    texts: tuple[str, ...] = ()

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """1.0 or 0.0; None for what a request does not say."""
        number = self._number(asked)
        return None if number is None else float(self.least <= number <= self.most)

    def _number(self, asked: Asked) -> float | None:
        if self.what == "regex":
            if self.pattern is None:
                return None
            return float(sum(1 for _ in self.pattern.finditer(window(asked.text, self.pattern))))
        numbers = {
            "message": asked.roles.count(self.role) if self.role else len(asked.roles),
            "tool_definition": asked.tools,
            "active_tool_loop": asked.looping,
            "tool_choice_required": asked.choice == "required",
            "tool_choice_none": asked.choice == "none",
            "flow_tool_state": 0,
            "tokens": -(-asked.characters // 4),
        }
        return numbers.get(self.what)


@dataclass(frozen=True, slots=True)
class Like:
    """The text is at least *threshold* like the *texts*: the nearest (``max``), or their ``mean``.

    Less what it is like the nearest of *unlike*.
    """

    texts: tuple[str, ...]
    threshold: float
    aggregation: str = "max"
    unlike: tuple[str, ...] = ()

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """How far over the threshold, 0.0 below."""
        raw = self.raw(likeness)
        return None if raw is None else max(0.0, raw - self.threshold + 1e-9)

    def raw(self, likeness: Likeness) -> float | None:
        """The likeness itself."""
        return _likeness(self.texts, likeness, self.aggregation)


@dataclass(frozen=True, slots=True)
class Complexity:
    """Whether the text is more like *hard* or like *easy* tasks, by the difference of the two.

    *label* is ``hard`` (*above* one), ``easy`` (*below* another) or ``medium`` (between them).
    """

    hard: tuple[str, ...]
    easy: tuple[str, ...]
    label: str
    above: float = 0.0
    below: float = 0.0

    @property
    def texts(self) -> tuple[str, ...]:
        """Both kinds."""
        return self.hard + self.easy

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """1.0 or 0.0."""
        hard, easy = _likeness(self.hard, likeness), _likeness(self.easy, likeness)
        if hard is None or easy is None:
            return None
        difference = hard - easy
        if self.label == "hard":
            return float(difference >= self.above)
        if self.label == "easy":
            return float(difference <= self.below)
        return float(self.below < difference < self.above)


@dataclass(frozen=True, slots=True)
class Again:
    """The user asks the same as in one of the last *turns*: as like it as *threshold*, or more."""

    threshold: float
    turns: int = 1
    texts: tuple[str, ...] = ()

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """1.0 or 0.0."""
        before = asked.before[-self.turns :]
        if not before:
            return 0.0
        found = [likeness[text] for text in before if text in likeness]
        return float(max(found) >= self.threshold) if found else None


@dataclass(frozen=True, slots=True)
class Subject:
    """The text is about this one of several *subjects*: nearest to the *texts* that describe it."""

    texts: tuple[str, ...]
    others: tuple[str, ...]
    least: float = 0.25

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """How far ahead of the nearest other subject, 0.0 behind."""
        own, others = _likeness(self.texts, likeness), _likeness(self.others, likeness)
        if own is None:
            return None
        return max(0.0, own - (others or 0.0)) if own >= self.least else 0.0


@dataclass(frozen=True, slots=True)
class Personal:
    """Personal data of one of *kinds* is in the text, or with *history* anywhere in the conversation."""

    kinds: frozenset[str]
    detectors: tuple[Detector, ...]
    history: bool = False
    texts: tuple[str, ...] = ()

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """1.0 or 0.0, by the detectors of the router's own redaction."""
        text = f"{asked.history}\n{asked.text}" if self.history else asked.text
        return float(bool(kinds_in(text, self.detectors) & self.kinds))


@dataclass(frozen=True, slots=True)
class Unknown:
    """A signal that Loom does not find out, and *why*."""

    why: str
    texts: tuple[str, ...] = field(default=())

    def value(self, asked: Asked, likeness: Likeness) -> float | None:
        """Nobody knows."""
        return None


def _likeness(texts: Sequence[str], likeness: Likeness, how: str = "max") -> float | None:
    found = [likeness[text] for text in texts if text in likeness]
    if not found:
        return None
    return sum(found) / len(found) if how == "mean" else max(found)
