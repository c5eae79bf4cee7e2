"""What is measured: quantiles by size that follow the backend, in bounded memory, and an error rate that heals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.router.facts import SIZES, bucket_of
from loom.router.measured import HALF_LIFE_MS, KEPT, STALE_MS, Fading, Measured


def near(measured: float, wanted: float) -> bool:
    return abs(measured - wanted) <= 0.06 * wanted


def test_a_stream_tells_the_first_token_from_the_others() -> None:
    measured = Measured()
    for _ in range(20):
        measured.answered(100, 11, 600.0, 100.0)
    assert near(measured.first.quantiles[0].p50, 100)
    assert near(measured.token.quantiles[0].p95, 50)
    assert near(measured.total.quantiles[0].p50, 600)


def test_an_answer_in_one_piece_is_explained_by_what_streams_showed_or_is_one() -> None:
    whole = Measured()
    for _ in range(20):
        whole.answered(10, 10, 1_000.0, None)
    assert near(whole.first.quantiles[0].p50, 1_000)
    assert not whole.token.quantiles
    both = Measured()
    both.answered(10, 11, 600.0, 100.0)
    for _ in range(20):
        both.answered(10, 21, 1_100.0, None)
    assert abs(both.first.quantiles[0].p50 - 100) < 30  # twenty tokens at 5 % each
    classified = Measured()
    classified.answered(10, 0, 7.0, None)
    assert near(classified.first.quantiles[0].p50, 7)
    assert not classified.token.quantiles


def test_sizes_are_kept_apart_and_the_nearest_one_answers_for_the_unknown() -> None:
    measured = Measured()
    assert measured.p95_ms(10) is None
    measured.answered(SIZES[0], 0, 10.0, None)
    measured.answered(SIZES[-1] + 1, 0, 900.0, None)
    assert set(measured.total.quantiles) == {0, len(SIZES)}
    assert near(measured.p95_ms(SIZES[1]) or 0, 10)
    assert near(measured.p95_ms(SIZES[-1]) or 0, 900)


def test_a_backend_that_became_slow_is_known_to_be_before_long() -> None:
    measured = Measured()
    for _ in range(10_000):
        measured.answered(1, 0, 10.0, None)
    for _ in range(KEPT):
        measured.answered(1, 0, 300.0, None)
    assert near(measured.first.quantiles[0].p50, 300)


def test_times_of_long_ago_are_not_known_any_more() -> None:
    measured = Measured()
    measured.answered(10, 3, 900.0, 300.0)
    measured.result(True, 1_000)
    assert near(measured.times(1_000 + STALE_MS)[0][0].p50, 300)
    assert measured.times(1_001 + STALE_MS) == ({}, {})
    measured.result(False, 1_001 + STALE_MS)
    assert measured.times(1_001 + STALE_MS) == ({}, {})
    measured.result(True, 1_002 + STALE_MS)
    assert measured.times(1_003 + STALE_MS) != ({}, {})
    assert measured.times(1_001) == ({}, {})  # a clock that was set back


def test_a_snapshot_does_not_change() -> None:
    measured = Measured()
    measured.answered(1, 0, 10.0, None)
    before = measured.first.quantiles
    kept = dict(before)
    for _ in range(100):
        measured.answered(1, 0, 500.0, None)
    assert before == kept


def test_silence_counts_as_being_slow_only_if_it_was_longer_than_usual() -> None:
    measured = Measured()
    for _ in range(30):
        measured.answered(1, 0, 100.0, None)
    measured.late(1, 20.0)
    assert near(measured.first.quantiles[0].p50, 100)
    for _ in range(40):
        measured.late(1, 5_001.0)
    assert measured.first.quantiles[0].p50 > 1_000


def test_the_error_rate_follows_and_heals() -> None:
    measured = Measured()
    for _ in range(50):
        measured.result(False, 0)
    rate = measured.error_rate(0)
    assert rate > 0.99
    assert measured.error_rate(HALF_LIFE_MS) == rate / 2
    measured.result(True, HALF_LIFE_MS)
    assert measured.error_rate(HALF_LIFE_MS) < rate / 2
    assert measured.error_rate(0) <= 1.0
    assert measured.error_rate(-HALF_LIFE_MS * 20) < 0.01  # a clock that was set back


@given(st.lists(st.floats(0, 1e12), max_size=2_000))
def test_memory_is_bounded_and_quantiles_are_in_range(values: list[float]) -> None:
    fading = Fading()
    for value in values:
        fading.add(value)
        assert fading.count < KEPT
    assert len(fading._buckets) < KEPT
    p50, p95 = fading.quantiles
    assert 0 <= p50 <= p95 <= max(values, default=0) * 1000


@given(st.integers(0, 10**9))
def test_every_size_has_a_bucket(tokens: int) -> None:
    assert 0 <= bucket_of(tokens) <= len(SIZES)
