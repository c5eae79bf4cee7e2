"""Which decision of an imported policy a request meets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import sqrt

from loom.models import ModelRequest
from loom.router.vllm_import.asked import Asked, asked
from loom.router.vllm_import.reading import Band, Choice, Imported, Part
from loom.router.vllm_import.signals import Like, Likeness
from loom.router.vllm_import.tree import Leaf, holds

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
SEEN = 4_000
"""Characters of a text that are compared."""


@dataclass(frozen=True, slots=True)
class Met:
    """The decision that was met, None for no one; what nobody knew on the way is in *unknown*."""

    choice: Choice | None
    unknown: tuple[str, ...] = ()


@dataclass(slots=True)
class Decider:
    """Finds the decision for each request; *embed* compares texts, without it what is like what stays unknown.

    The texts of the policy are embedded once, with the first request.
    """

    imported: Imported
    embed: Embed | None = None
    _known: dict[str, Sequence[float]] = field(default_factory=dict)

    async def decide(self, request: ModelRequest) -> Met:
        """The first decision, by priority, whose conditions hold; raises what *embed* raises."""
        seen = asked(request)
        return meet(self.imported, seen, await self.likeness(seen))

    async def likeness(self, seen: Asked) -> Likeness:
        """How like *seen* each text of the policy is, and each of the last things that the user said."""
        if self.embed is None or not seen.text.strip():
            return {}
        if not self._known:
            texts = sorted({text for signal in self.imported.signals.values() for text in signal.texts})
            self._known.update(zip(texts, await self.embed(texts), strict=True)) if texts else None
        before = [each[:SEEN] for each in seen.before[-8:]]
        own, *others = await self.embed([seen.text[:SEEN], *before])
        likeness = {text: cosine(own, each) for text, each in self._known.items()}
        return likeness | dict(zip(seen.before[-8:], (cosine(own, each) for each in others), strict=True))


def meet(imported: Imported, seen: Asked, likeness: Likeness) -> Met:
    """The decision that *seen* meets; pure."""
    unknown: dict[str, None] = {}

    def truth(leaf: Leaf) -> bool | None:
        found = truth_of(imported, leaf, seen, likeness)
        if found is None:
            unknown[f"{leaf.kind}:{leaf.name}"] = None
        return found

    for choice in imported.choices:
        held = holds(choice.tree, truth)
        if held or (held is None and choice.unknown):
            return Met(choice, tuple(unknown))
    return Met(None, tuple(unknown))


def truth_of(imported: Imported, leaf: Leaf, seen: Asked, likeness: Likeness) -> bool | None:
    """Whether one signal holds, None where nobody knows."""
    if leaf.bounded:
        return None
    if leaf.kind == "projection":
        band = imported.bands.get(leaf.name)
        return None if band is None else _within(imported, band, seen, likeness)
    value = _value(imported, leaf, seen, likeness, raw=False)
    return None if value is None else value > 0


def _within(imported: Imported, band: Band, seen: Asked, likeness: Likeness) -> bool | None:
    """Whether the sum is in the band, whatever the inputs that nobody knows come to."""
    sums = [_added(imported, part, seen, likeness) for part in band.inputs]
    low, high = (sum(each) for each in zip(*sums, strict=True)) if sums else (0.0, 0.0)
    answers = {_inside(band, low), _inside(band, high)}
    return answers.pop() if len(answers) == 1 else None


def _added(imported: Imported, part: Part, seen: Asked, likeness: Likeness) -> tuple[float, float]:
    """The least and the most that *part* comes to; a raw value that nobody knows lies between 0 and 1."""
    value = None if part.leaf.bounded else _value(imported, part.leaf, seen, likeness, part.raw)
    if value is None:
        return min(part.match, part.miss), max(part.match, part.miss)
    added = part.match * value if part.raw else part.match if value > 0 else part.miss
    return added, added


def _inside(band: Band, number: float) -> bool:
    return band.low <= number <= band.high


def _value(imported: Imported, leaf: Leaf, seen: Asked, likeness: Likeness, raw: bool) -> float | None:
    signal = imported.signals.get((leaf.kind, leaf.signal))
    if signal is None:
        return None
    return signal.raw(likeness) if raw and isinstance(signal, Like) else signal.value(seen, likeness)


def cosine(some: Sequence[float], others: Sequence[float]) -> float:
    """How alike two vectors are, -1 to 1; 0.0 where one of them is nothing."""
    product = sum(a * b for a, b in zip(some, others, strict=True))
    size = sqrt(sum(a * a for a in some)) * sqrt(sum(b * b for b in others))
    return product / size if size else 0.0
