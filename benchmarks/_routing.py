"""Recorded outcomes of a weak and a strong model, and what a router's wish for the strong one is worth on them.

The data is no part of this repository: `LOOM_ROUTER_DATA` names the file, or shared/data/router/mmlu_outcomes.csv.gz
lies beside it (public outcomes of the RouteLLM project, Apache-2.0: subject, prompt, weak_correct, strong_correct).
"""

import csv
import gzip
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loom.router.learned.features import Features, features_of

Array = NDArray[np.float64]
_OPTIONS = re.compile(r"\nA[.)] ")
DATA = "LOOM_ROUTER_DATA"
BESIDE = Path(__file__).parents[2] / "shared" / "data" / "router" / "mmlu_outcomes.csv.gz"


@dataclass(frozen=True)
class Outcomes:
    """Prompts with their subject (a number), and whether the *weak* and the *strong* model were right (0 or 1)."""

    prompts: list[str]
    subjects: list[str]
    subject: NDArray[np.intp]
    weak: Array
    strong: Array

    def rows(self, subjects: Sequence[int]) -> NDArray[np.intp]:
        """The places of the prompts of *subjects*, in their order."""
        return np.flatnonzero(np.isin(self.subject, subjects))


def data_file() -> Path:
    """Where the outcomes are."""
    return Path(os.environ.get(DATA, BESIDE))


@cache
def outcomes() -> Outcomes:
    """All that was recorded. Raises OSError without the file."""
    with gzip.open(data_file(), "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    subjects = sorted({row["subject"] for row in rows})
    return Outcomes(
        [row["prompt"] for row in rows],
        subjects,
        np.array([subjects.index(row["subject"]) for row in rows]),
        np.array([float(row["weak_correct"]) for row in rows]),
        np.array([float(row["strong_correct"]) for row in rows]),
    )


@cache
def features() -> Array:
    """What `features_of` sees in each prompt."""
    return np.array([features_of(prompt) for prompt in outcomes().prompts])


@cache
def open_ended() -> Array:
    """The same with the options taken away: what a free question looks like, with the outcome of the other."""
    return np.array([features_of(_OPTIONS.split(prompt)[0]) for prompt in outcomes().prompts])


def splits(seed: int, folds: int) -> Iterator[tuple[list[int], list[int]]]:
    """Subjects to learn from and subjects to be judged on, each left out once."""
    order = np.random.default_rng(seed).permutation(len(outcomes().subjects)).tolist()
    for fold in range(folds):
        out = order[fold::folds]
        yield [each for each in order if each not in out], out


def gap(rows: NDArray[np.intp]) -> float:
    """How many more of *rows* the strong model gets right."""
    return float((outcomes().strong - outcomes().weak)[rows].sum())


def recovered(wish: Array, rows: NDArray[np.intp]) -> Array:
    """The performance gap recovered when the 0, 1, .. all prompts with the largest *wish* go to the strong model.

    Performance gap recovered: (accuracy - weak) / (strong - weak), as in RouteLLM (Ong et al. 2024, arXiv:2406.18665).
    Equal wishes are taken in a random order.
    """
    data, ties = outcomes(), np.random.default_rng(0).random(len(rows))
    order = np.lexsort((ties, -wish))
    gained = np.concatenate([[0.0], np.cumsum((data.strong - data.weak)[rows][order])])
    found: Array = gained / gained[-1]
    return found


def apgr(wish: Array, rows: NDArray[np.intp]) -> float:
    """The mean of `recovered` over all shares of strong calls; 0.5 is what chance has."""
    return float(np.trapezoid(recovered(wish, rows), dx=1 / len(rows)))


def cpt(wish: Array, rows: NDArray[np.intp], part: float) -> float:
    """The smallest share of strong calls that recovers *part* of the gap."""
    return float(np.argmax(recovered(wish, rows) >= part)) / len(rows)


EXPECTED_SIGNS: dict[str, float] = {
    "length": 1, "negations": 1, "alike": 1, "facts": -1, "terms": -1, "conditions": 0.5, "reasons": 0.5,
    "combinations": 0.5, "commas": 0.5, "persons": 0.5, "reckoned": -0.5, "symbols": 0.3, "code": 0.3, "steps": 1,
}  # fmt: skip
"""What is expected of each feature before any outcome is seen, in units of UNIT for one standard deviation."""
UNIT = 0.03
SHRINK = 3.0
LEAST_SPREAD = {"steps": 1.0, "foreign": 0.3, "history": 3.0}
"""Standard deviations of what hardly varies in this data, and does elsewhere."""
UNTRUSTED = ("high_school_mathematics",)
"""The strong model is right in 3 % there, far below guessing: how its answers were read is at fault."""


@dataclass(frozen=True)
class Fit:
    """A linear wish for the strong model: what it gains over the weak one."""

    mean: Array
    scale: Array
    weights: Array
    bias: float

    def wish(self, rows: Array) -> Array:
        """The gain for each of *rows* (n x features)."""
        found: Array = np.clip((rows - self.mean) / self.scale, -3, 3) @ self.weights + self.bias
        return found


def fit(subjects: Sequence[int], signs: bool = True) -> Fit:
    """Ridge regression of the gain, pulled towards EXPECTED_SIGNS (or zero) instead of only towards zero.

    Each prompt is learnt from as it is and with its options taken away, each form around its own mean. A subject counts
    by the root of its prompts: what holds in many matters more than what holds in a large one.
    """
    data, seen = outcomes(), features()
    kept = [each for each in subjects if data.subjects[each] not in UNTRUSTED]
    rows = data.rows(kept)
    weight = np.bincount(data.subject)[data.subject[rows]] ** -0.5
    weight /= weight.sum()
    least = [LEAST_SPREAD.get(name, 1e-3) for name in Features._fields]
    mean, scale = seen[rows].mean(0), np.maximum(seen[rows].std(0), least)
    gain = (data.strong - data.weak)[rows]
    bias = float(weight @ gain)
    forms = [np.clip((form[rows] - mean) / scale, -3, 3) for form in (seen, open_ended())]
    centre = weight @ forms[0]
    parts = [form - weight @ form for form in forms]
    expected = np.array([EXPECTED_SIGNS.get(name, 0.0) * UNIT for name in Features._fields]) * signs
    left = sum((part * weight[:, None]).T @ part for part in parts) / 2 + SHRINK * np.eye(len(mean))
    right = sum((part * weight[:, None]).T @ (gain - bias) for part in parts) / 2 + SHRINK * expected
    weights = np.linalg.solve(left, right)
    return Fit(mean, scale, weights, bias - float(centre @ weights))
