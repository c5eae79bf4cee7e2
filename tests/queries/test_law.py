"""Each query tells what its naive oracle tells, at the same moments, on random traces with crashes in between."""

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.queries import absence, held, join, sequence, threshold
from tests.queries.traces import Input, check, traces

one_by_one = settings(report_multiple_bugs=False, deadline=None)
TIMES = st.integers(1, 14)
LATE = st.sampled_from([0, 0, 1, 3, 8])
STEPS = [
    ("a", "b"),
    ("a", "b", "c"),
    ("a", "a"),
    ("*", "b"),
    ("a", "*", "c"),
    ("a", ">", "b", "c"),
    ("*", "*"),
]


@one_by_one
@given(traces(), st.sampled_from(STEPS), TIMES, LATE)
def test_a_sequence_tells_what_its_oracle_tells(
    trace: list[Input], steps: tuple[str, ...], within: int, late: int
) -> None:
    check(sequence(*steps, within=within / 1000, lateness=late / 1000), trace)


@one_by_one
@given(traces("ab"), st.sampled_from([("a", "b"), ("a", "a"), ("*", "b"), ("a", "*")]), TIMES, LATE)
def test_an_absence_tells_what_its_oracle_tells(
    trace: list[Input], topics: tuple[str, str], within: int, late: int
) -> None:
    check(absence(*topics, within=within / 1000, lateness=late / 1000), trace)


@one_by_one
@given(traces("ab"), st.sampled_from(["count", "sum", "mean"]), st.integers(1, 60), TIMES, st.booleans())
def test_a_threshold_tells_what_its_oracle_tells(
    trace: list[Input], of: str, level: int, window: int, below: bool
) -> None:
    if of == "count":
        query = threshold("*", 1 + level % 6, window=window / 1000)
    else:
        query = threshold(
            "a",
            level,
            window=window / 1000,
            of=of,
            value="payload.n",
            below=below,  # type: ignore[arg-type]
        )
    check(query, trace)


@one_by_one
@given(traces("ab"), TIMES, LATE)
def test_what_has_held_is_what_the_oracle_says_has_held(trace: list[Input], span: int, late: int) -> None:
    check(held("*", "payload.n > 20", seconds=span / 1000, lateness=late / 1000), trace)
    check(held("a", "payload.n > 5", seconds=span / 1000, lateness=late / 1000), trace)


@one_by_one
@given(traces(), st.sampled_from([("a", "b"), ("a", "b", "c"), ("b", "*")]), st.integers(0, 6), LATE)
def test_a_join_tells_what_its_oracle_tells(
    trace: list[Input], topics: tuple[str, ...], tolerance: int, late: int
) -> None:
    check(join(*topics, tolerance_ms=tolerance, lateness=late / 1000), trace)
