"""What is believed of one backend: a line through what was rewarded, with how unsure it is."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from operator import mul

REFRESH = 64
"""Observations between two exact solutions; between them the covariance is updated, which drifts."""
NOISE = 0.15
"""Variance of one reward around what is expected of it; that of a fair coin is 0.25."""


class Posterior:
    """Bayesian linear regression of rewards with a memory that fades: the belief for `LinUCB` or Thompson sampling.

    Source: Li et al. 2010 (arXiv:1003.0146) for the model of each arm, Agrawal and Goyal 2013 (arXiv:1209.3352) for
    sampling from it, Sherman and Morrison 1950 for the update. *weights* are those of the prior, *spread* their
    standard deviations, *fade* what is left of an observation after the next one. What fades is the data: with time
    the belief goes back to the prior, so it stays bounded however long it learns.
    """

    __slots__ = ("_covariance", "_data", "_line", "_pull", "count", "fade", "spread", "weights")

    def __init__(self, weights: Sequence[float], spread: Sequence[float], fade: float = 0.999) -> None:
        self.weights, self.spread, self.fade = list(weights), list(spread), fade
        size = len(self.weights)
        self._data = [[0.0] * size for _ in range(size)]
        self._pull = [0.0] * size
        self.count = 0
        self._covariance: list[list[float]] = []
        self._line: list[float] = []
        self._solve()

    @property
    def size(self) -> int:
        """How many inputs it takes."""
        return len(self.weights)

    def expect(self, inputs: Sequence[float]) -> tuple[float, float]:
        """The mean of the reward for *inputs* and the standard deviation of that mean."""
        mean = sum(map(mul, self._line, inputs))
        spread = sum(
            [x * sum(map(mul, row, inputs)) for x, row in zip(inputs, self._covariance, strict=True)]
        )
        return mean, sqrt(spread) if spread > 0 else 0.0

    def learn(self, inputs: Sequence[float], reward: float, weight: float = 1.0) -> None:
        """Take *reward* for *inputs* into account, with the *weight* of that many observations.

        What is not finite is not learnt from.
        """
        if not (isfinite(reward) and isfinite(weight) and weight > 0 and all(map(isfinite, inputs))):
            return
        residual = reward - sum(map(mul, self.weights, inputs))
        self._remember(inputs, residual, weight / NOISE)
        self.count += 1
        if self.count % REFRESH == 0:
            self._fade(self.fade**REFRESH)
            self._solve()
        else:
            self._step(inputs, reward, weight / NOISE)

    def remembered(self) -> tuple[list[float], list[float]]:
        """The upper triangle of the data, row by row, and its pull: what `recall` takes."""
        return [each for row, line in enumerate(self._data) for each in line[row:]], list(self._pull)

    def recall(self, data: Sequence[float], pull: Sequence[float], count: int) -> bool:
        """Go on from what `remembered` told; False, and nothing changed, for what no data can have made."""
        size = self.size
        if len(data) != size * (size + 1) // 2 or len(pull) != size or count < 0:
            return False
        if not all(map(isfinite, data)) or not all(map(isfinite, pull)):
            return False
        before = self._data, self._pull, self.count
        self._data, self._pull, self.count = _square(data, size), list(pull), count
        if self._solve():
            return True
        self._data, self._pull, self.count = before
        self._solve()
        return False

    def _remember(self, inputs: Sequence[float], residual: float, weight: float) -> None:
        for number, value in enumerate(inputs):
            if value:
                by = weight * value
                self._data[number] = [a + by * x for a, x in zip(self._data[number], inputs, strict=True)]
        by = weight * residual
        self._pull = [a + by * x for a, x in zip(self._pull, inputs, strict=True)]

    def _fade(self, left: float) -> None:
        self._data = [[left * each for each in row] for row in self._data]
        self._pull = [left * each for each in self._pull]

    def _step(self, inputs: Sequence[float], reward: float, weight: float) -> None:
        gains = [sum(map(mul, row, inputs)) for row in self._covariance]
        by = weight / (1 + weight * sum(map(mul, gains, inputs)))
        wrong = by * (reward - sum(map(mul, self._line, inputs)))
        self._line = [a + wrong * gain for a, gain in zip(self._line, gains, strict=True)]
        self._covariance = [
            [a - by * gain * other for a, other in zip(row, gains, strict=True)]
            for row, gain in zip(self._covariance, gains, strict=True)
        ]

    def _solve(self) -> bool:
        """Make the covariance and the shift anew from the data; without the data where it has no solution."""
        precision = [
            [value + (row == column) / spread**2 for column, value in enumerate(line)]
            for (row, line), spread in zip(enumerate(self._data), self.spread, strict=True)
        ]
        found = _inverse(precision)
        if found is None:
            self._fade(0.0)
            found = _inverse([[(i == j) / s**2 for j in range(self.size)] for i, s in enumerate(self.spread)])
            self._covariance, self._line = found or [], list(self.weights)
            return False
        self._covariance = found
        self._line = [a + sum(map(mul, row, self._pull)) for a, row in zip(self.weights, found, strict=True)]
        return True


def _square(upper: Sequence[float], size: int) -> list[list[float]]:
    found = [[0.0] * size for _ in range(size)]
    values = iter(upper)
    for row in range(size):
        for column in range(row, size):
            found[row][column] = found[column][row] = next(values)
    return found


def _inverse(matrix: list[list[float]]) -> list[list[float]] | None:
    """The inverse of a symmetric positive definite *matrix* by Gauss and Jordan; None when it is not one."""
    size = len(matrix)
    rows = [[*line, *(float(i == j) for j in range(size))] for i, line in enumerate(matrix)]
    for place in range(size):
        pivot = rows[place][place]
        if not (isfinite(pivot) and pivot > 0):
            return None
        chosen = rows[place] = [each / pivot for each in rows[place]]
        for other in range(size):
            by = rows[other][place]
            if other != place and by:
                rows[other] = [a - by * b for a, b in zip(rows[other], chosen, strict=True)]
    return [[(rows[i][size + j] + rows[j][size + i]) / 2 for j in range(size)] for i in range(size)]
