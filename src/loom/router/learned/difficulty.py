"""How much a stronger model is worth for a request, before any of this device's own experience."""

from __future__ import annotations

from operator import mul

from loom.router.learned._weights import BIAS, WEIGHTS
from loom.router.learned.features import Features

LIMIT = 3.0
"""Standard deviations at which a feature counts no more."""
STEEPEST = 1.5
SPREAD = 0.08
"""The standard deviation of `need` in the training data."""
OWN = (
    "length", "negations", "reasons", "facts", "persons", "terms", "symbols", "code", "numbers", "options", "foreign",
    "history",
)  # fmt: skip
"""The features that a belief about one backend weighs for itself, besides the need."""

_MEANS = tuple(WEIGHTS[name][0] for name in Features._fields)
_SCALES = tuple(1 / WEIGHTS[name][1] for name in Features._fields)
_WEIGHTS = tuple(WEIGHTS[name][2] for name in Features._fields)
_PLACES = tuple(Features._fields.index(name) for name in OWN)


def standard(features: Features) -> list[float]:
    """Each feature as standard deviations from the mean of the training data, from -LIMIT to LIMIT."""
    found = [(value - mean) * scale for value, mean, scale in zip(features, _MEANS, _SCALES, strict=True)]
    return [-LIMIT if each < -LIMIT else min(each, LIMIT) for each in found]


def need(features: Features) -> float:
    """The share of answers that a strong model (80 % right in the training data) gains over a weak one (67 %).

    Method: a linear model of recorded outcomes, by `benchmarks/_routing.py`; docs/ROUTING.md says what it is worth.
    """
    wish: float = sum(map(mul, standard(features), _WEIGHTS))
    return BIAS + wish


def slope(quality: float) -> float:
    """By how much the quality of a backend falls when `need` rises by one.

    A quadratic through what was measured: 1 for a model that is right in 67 % of all cases, a third for one in 80 %.
    """
    return min(STEEPEST, 9.0 * (1 - quality) * (1 - quality))


def prior(quality: float) -> list[float]:
    """The weights for `inputs` of the quality that is expected of a backend, of *quality* on average."""
    return [quality, -slope(quality) * SPREAD * LIMIT, *(0.0 for _ in OWN)]


def inputs(features: Features) -> list[float]:
    """What a belief about a backend is a line through: 1, the `need` and some features, each from -1 to 1."""
    seen = standard(features)
    wish = sum(map(mul, seen, _WEIGHTS)) / (SPREAD * LIMIT)
    return [1.0, max(-1.0, min(1.0, wish)), *[seen[place] / LIMIT for place in _PLACES]]
