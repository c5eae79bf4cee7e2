"""The shipped model of difficulty: what it says, in which bounds, and what it makes of a backend's quality."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.router.learned import features_of, need
from loom.router.learned._weights import WEIGHTS
from loom.router.learned.difficulty import LIMIT, OWN, inputs, prior, slope, standard
from loom.router.learned.features import Features

EASY = ("hi", "What is the capital of France?", "turn on the kitchen light")
SUM = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?"
)
PROGRAM = (
    "Write a Python function that finds the k largest numbers of a list:\ndef top(a, k):\n    return {}\n"
    "It must not sort the list. Then explain, step by step, why it is never slower than sorting."
)
HARD = (
    SUM,
    "If A is not B, and B is not C unless D holds, which of the statements follow? Explain why.",
    PROGRAM,
)


def test_what_is_hard_needs_the_strong_model_more() -> None:
    assert max(map(need, map(features_of, EASY))) < min(map(need, map(features_of, HARD)))


def test_every_feature_has_a_weight() -> None:
    assert tuple(WEIGHTS) == Features._fields
    assert set(OWN) < set(Features._fields)


@given(st.tuples(*[st.floats(-1e12, 1e12)] * len(Features._fields)))
def test_no_feature_counts_without_bound(values: tuple[float, ...]) -> None:
    seen = Features(*values)
    assert all(-LIMIT <= each <= LIMIT for each in standard(seen))
    assert all(-1 <= each <= 1 for each in inputs(seen))
    assert -1 < need(seen) < 1


def test_the_better_a_backend_the_less_it_falls() -> None:
    falls = [slope(each / 10) for each in range(11)]
    assert all(a >= b for a, b in pairwise(falls))
    assert (slope(0.67), slope(0.80)) == (pytest.approx(0.98, abs=0.01), pytest.approx(0.36, abs=0.01))


def test_a_prior_is_the_quality_less_the_need() -> None:
    easy, hard = inputs(features_of(EASY[1])), inputs(features_of(HARD[0]))
    weights = prior(0.7)
    expected = [sum(a * b for a, b in zip(weights, each, strict=True)) for each in (easy, hard)]
    assert expected[0] > 0.7 > expected[1]
    assert prior(1.0)[1] == 0
