"""The measure of routers: what a perfect, a useless and a wrong wish are worth; judged is what was not learnt from."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
from benchmarks import _routing, bench_routing  # noqa: E402 - needs NumPy


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """100 prompts of four subjects; the strong model is always right, the weak one when the prompt is short."""
    file = tmp_path / "outcomes.csv.gz"
    with gzip.open(file, "wt", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["subject", "prompt", "weak_correct", "strong_correct"])
        for number in range(100):
            rows.writerow([f"new{number % 4}", "word " * (number + 1), int(number < 50), 1])
    monkeypatch.setenv(_routing.DATA, str(file))
    caches = (_routing.outcomes, _routing.features, _routing.open_ended)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.usefixtures("four")
def test_the_measure_is_what_its_definition_says() -> None:
    rows = np.arange(100)
    length = _routing.features()[:, 0]
    assert _routing.apgr(length, rows) == pytest.approx(0.75)  # all of the gap in the first half
    assert _routing.apgr(-length, rows) == pytest.approx(0.25)
    assert _routing.apgr(np.zeros(100), rows) == pytest.approx(0.5, abs=0.1)
    assert (_routing.cpt(length, rows, 0.5), _routing.cpt(length, rows, 0.8)) == (0.25, 0.4)
    assert _routing.recovered(length, rows)[[0, -1]].tolist() == [0, 1]


@pytest.mark.usefixtures("four")
def test_each_subject_is_left_out_once_and_never_learnt_from_then() -> None:
    splits = list(_routing.splits(3, 2))
    assert sorted(each for _, out in splits for each in out) == [0, 1, 2, 3]
    assert all(not set(taught) & set(out) for taught, out in splits)


@pytest.mark.usefixtures("four")
def test_the_shipped_model_is_judged_on_subjects_it_has_not_seen() -> None:
    ours, length = list(bench_routing.shipped())
    assert length.value == pytest.approx(0.75)
    assert ours.value > 0.7
    assert "4 subjects, 100 prompts" in ours.note
    assert list(bench_routing.left_out()) == []


def test_without_the_data_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_routing.DATA, "/nowhere/outcomes.csv.gz")
    assert [*bench_routing.left_out(), *bench_routing.shipped(), *bench_routing.decision()] == []
