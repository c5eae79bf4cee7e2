"""A belief: it finds the line, says how unsure it is, forgets, and does not drift however long it learns."""

from __future__ import annotations

from math import inf, nan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.router.learned.posterior import NOISE, REFRESH, Posterior

np = pytest.importorskip("numpy")


def exact(
    rows: list[list[float]], rewards: list[float], at: list[float], spread: float
) -> tuple[float, float]:
    """Mean and deviation of the reward at *at*, by the closed form."""
    x, y = np.array(rows), np.array(rewards)
    covariance = np.linalg.inv(np.eye(x.shape[1]) / spread**2 + x.T @ x / NOISE)
    line = covariance @ x.T @ y / NOISE
    return float(line @ at), float(np.sqrt(np.array(at) @ covariance @ at))


@given(st.integers(1, 3 * REFRESH), st.integers(0, 1000))
def test_it_believes_what_the_closed_form_says(count: int, seed: int) -> None:
    chance = Random(seed)
    belief = Posterior([0.0] * 4, [0.5] * 4, fade=1.0)
    rows = [[1.0, *(chance.uniform(-1, 1) for _ in range(3))] for _ in range(count)]
    rewards = [chance.random() for _ in rows]
    for row, reward in zip(rows, rewards, strict=True):
        belief.learn(row, reward)
    at = [1.0, 0.3, -0.7, 0.2]
    assert belief.expect(at) == pytest.approx(exact(rows, rewards, at, 0.5), abs=1e-9)


def test_the_prior_is_believed_first_and_doubt_falls() -> None:
    belief = Posterior([0.6, -0.2], [0.2, 0.1])
    assert belief.expect([1.0, 1.0]) == (pytest.approx(0.4), pytest.approx((0.04 + 0.01) ** 0.5))
    for _ in range(50):
        belief.learn([1.0, 1.0], 1.0)
    mean, deviation = belief.expect([1.0, 1.0])
    assert mean > 0.9
    assert deviation < 0.06


def test_a_weight_is_that_many_observations() -> None:
    one, many = Posterior([0.5, 0.0], [0.3, 0.3]), Posterior([0.5, 0.0], [0.3, 0.3])
    one.learn([1.0, 0.5], 1.0, weight=4.0)
    for _ in range(4):
        many.learn([1.0, 0.5], 1.0)
    assert one.expect([1.0, -1.0]) == pytest.approx(many.expect([1.0, -1.0]))


@pytest.mark.timeout(400)
def test_a_million_observations_leave_it_exact_and_bounded() -> None:
    belief = Posterior([0.5, 0.0], [1.0, 1.0], fade=0.999)
    inputs = [[1.0, (number % 97) / 96] for number in range(97)]
    learn = belief.learn
    for number in range(1_000_000):
        each = inputs[number % 97]
        learn(each, 0.1 + 0.8 * each[1])
    data, _ = belief.remembered()
    assert max(map(abs, data)) < 1.1 * 1000 / NOISE  # what 1 / (1 - fade) observations are worth
    stepped = belief.expect([1.0, 0.75])
    assert stepped == (pytest.approx(0.7, abs=0.02), pytest.approx(0.015, abs=0.01))
    assert belief.recall(*belief.remembered(), belief.count)  # solved anew from the data
    assert belief.expect([1.0, 0.75]) == pytest.approx(stepped, abs=1e-9)


def test_between_two_exact_solutions_it_does_not_drift() -> None:
    chance = Random(3)
    belief = Posterior([0.0] * 14, [0.15] * 14, fade=0.999)
    for _ in range(20 * REFRESH - 1):
        belief.learn([1.0, *(chance.uniform(-1, 1) for _ in range(13))], chance.random())
    at = [1.0, *(chance.uniform(-1, 1) for _ in range(13))]
    stepped = belief.expect(at)
    assert belief.recall(*belief.remembered(), belief.count)
    assert belief.expect(at) == pytest.approx(stepped, abs=1e-9)


def test_what_was_long_ago_fades() -> None:
    belief = Posterior([0.5], [0.3], fade=0.98)
    for _ in range(1000):
        belief.learn([1.0], 1.0)
    for _ in range(4 * REFRESH):
        belief.learn([1.0], 0.0)
    assert belief.expect([1.0])[0] < 0.05


@given(st.sampled_from([nan, inf, -inf]), st.integers(0, 3))
def test_what_is_not_finite_is_not_learnt(bad: float, where: int) -> None:
    belief = Posterior([0.5, 0.1], [0.3, 0.1])
    inputs, reward, weight = [1.0, 0.5], 1.0, 1.0
    if where < 2:
        inputs[where] = bad
    elif where == 2:
        reward = bad
    else:
        weight = bad
    before = belief.expect([1.0, 1.0])
    belief.learn(inputs, reward, weight)
    assert belief.expect([1.0, 1.0]) == before
    assert belief.count == 0


def test_huge_rewards_leave_it_finite() -> None:
    belief = Posterior([0.5, 0.1], [0.3, 0.1])
    for _ in range(3 * REFRESH):
        belief.learn([1.0, 1.0], 1e300)
    assert belief.expect([1.0, 1.0])[1] >= 0


@pytest.mark.parametrize("data", [[nan, 0.0, 0.0], [inf, 0.0, 0.0], [-1e9, 0.0, 0.0], [1.0, 1e9, 1.0], [1.0]])
def test_what_no_data_made_is_not_recalled(data: list[float]) -> None:
    belief = Posterior([0.5, 0.1], [0.3, 0.1])
    belief.learn([1.0, 1.0], 1.0)
    before = belief.expect([1.0, 0.5])
    assert not belief.recall(data, [0.0, 0.0], 1)
    assert belief.expect([1.0, 0.5]) == pytest.approx(before)
