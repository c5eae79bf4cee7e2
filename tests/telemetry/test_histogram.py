"""Quantiles within a known error, in a bounded number of buckets."""

import math

from hypothesis import given
from hypothesis import strategies as st

from loom.telemetry import Histogram

SECONDS = st.floats(1e-6, 1e4)


@given(st.lists(SECONDS, min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_within_two_and_a_half_percent_of_the_exact_one(seconds: list[float], q: float) -> None:
    histogram = Histogram()
    for value in seconds:
        histogram.add(value)
    exact = sorted(seconds)[math.ceil(q * len(seconds)) - 1]
    assert abs(histogram.quantile(q) - exact) <= 0.0255 * exact
    assert histogram.count == len(seconds)
    assert histogram.maximum == max(seconds)


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_merged_histograms_are_one_of_all(left: list[float], right: list[float]) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for histogram, values in ((one, left), (other, right), (both, left + right)):
        for value in values:
            histogram.add(value)
    one.merge(other)
    assert (one.count, one.maximum, one._buckets) == (both.count, both.maximum, both._buckets)
    assert math.isclose(one.total, both.total, abs_tol=1e-9)


def test_an_empty_histogram_answers_zero_and_extremes_have_a_bucket() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.99) == 0.0
    for value in (0.0, -1.0, 1e-12):
        histogram.add(value)
    assert histogram.quantile(0.5) <= 1e-7


def test_the_number_of_buckets_is_bounded() -> None:
    histogram = Histogram()
    for exponent in range(-300, 200):
        histogram.add(10.0 ** (exponent / 20))
    assert len(histogram._buckets) <= 500
