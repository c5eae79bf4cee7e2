"""What a learner expects of a backend, as far as it can be believed."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from loom.router.facts import Facts

if TYPE_CHECKING:
    from loom.router.parties import Expected


def believed(facts: Facts, expected: Expected | None) -> Facts:
    """*facts* with the quality and deviation that are *expected*, within 0..1; as they are for what is no number.

    Nothing else of them changes: a learner says how good an answer will be, not who may see the question.
    """
    if expected is None or not (_number(expected.mean) and _number(expected.deviation)):
        return facts
    return replace(facts, quality=_share(expected.mean), deviation=_share(expected.deviation))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and isfinite(value)


def _share(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
