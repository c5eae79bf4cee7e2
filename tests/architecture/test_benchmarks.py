"""The benchmark machinery decides rightly what is short, what got worse, and what counts as noise."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import _runner
from benchmarks._harness import Ratio, interleave, quantile

STORED = {"bus": 1.0, "latency": 2.0}


@pytest.mark.parametrize(
    ("ratio", "meets"),
    [
        (Ratio("bus", 0.8, bar=0.8), True),
        (Ratio("bus", 0.79, bar=0.8), False),
        (Ratio("latency", 3.0, bar=3.0, better="lower"), True),
        (Ratio("latency", 3.1, bar=3.0, better="lower"), False),
        (Ratio("anything", 0.0), True),
    ],
)
def test_a_bar_is_met_at_its_value(ratio: Ratio, meets: bool) -> None:
    assert ratio.meets_bar() is meets


@pytest.mark.parametrize(
    ("ratio", "worse"),
    [
        (Ratio("bus", 0.81), False),
        (Ratio("bus", 0.79), True),
        (Ratio("bus", 5.0), False),
        (Ratio("latency", 2.39, better="lower"), False),
        (Ratio("latency", 2.41, better="lower"), True),
        (Ratio("latency", 2.41, better="lower", slack=0.5), False),
        (Ratio("new", 0.0), False),
    ],
)
def test_more_than_a_fifth_worse_is_a_regression(ratio: Ratio, worse: bool) -> None:
    assert bool(_runner.regressions([ratio], STORED)) is worse


def test_a_regression_or_a_failed_benchmark_fails_the_run_and_a_missed_bar_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _runner.verdict([Ratio("bus", 0.9, bar=2.0)], STORED, []) == 0
    assert "short of its bar: bus" in capsys.readouterr().out
    assert _runner.verdict([Ratio("bus", 0.5)], STORED, []) == 1
    assert "REGRESSION: bus" in capsys.readouterr().out
    assert _runner.verdict([], STORED, ["bench_bus"]) == 1


def test_sides_alternate_and_warm_rounds_do_not_count() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    async def late() -> float:
        return side("b", 2.0)

    samples = interleave(2, a=lambda: side("a", 1.0), b=late)
    assert samples.sides == {"a": [1.0, 1.0], "b": [2.0, 2.0]}
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert samples.ratio("b", "a") == 2.0


def test_a_store_keeps_what_did_not_run(tmp_path: Path) -> None:
    path = tmp_path / "stored.json"
    _runner.store([Ratio("bus", 1.23456)], STORED, path)
    assert _runner.read_stored(path) == {"bus": 1.235, "latency": 2.0}
    assert "run" in json.loads(path.read_text())
    assert _runner.read_stored(tmp_path / "none.json") == {}


def test_the_table_shows_value_bar_verdict_and_stored() -> None:
    text = _runner.table([Ratio("bus", 0.9, bar=0.8), Ratio("other", 3.0, better="lower", bar=2.0)], STORED)
    assert "pass" in text.splitlines()[1]
    assert "short" in text.splitlines()[2]
    assert _runner.table([Ratio("bus", 0.9)], STORED, markdown=True).count("\n| ") == 2


@given(st.lists(st.integers(0, 1000), min_size=1), st.floats(0.0, 1.0))
def test_a_quantile_is_a_value_with_that_part_at_or_below_it(values: list[int], part: float) -> None:
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)
