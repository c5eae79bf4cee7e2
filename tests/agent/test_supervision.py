"""Pure decisions: when to try again, when to restart, when to park."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Restart, Retry
from loom.agent._supervision import Health, backoff


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**32))
def test_a_delay_grows_to_its_limit_and_stays_within_the_jitter(
    failures: int, jitter: float, seed: int
) -> None:
    delay = backoff(0.1, 2.0, 30.0, jitter, failures, Random(seed))
    middle = min(30.0, 0.1 * 2.0 ** min(failures - 1, 64))
    assert middle * (1 - jitter) <= delay <= middle * (1 + jitter)


def test_an_event_is_tried_as_often_as_the_policy_says() -> None:
    policy = Retry(attempts=3, jitter=0)
    assert [policy.delay(n, Random(1)) for n in (1, 2, 3, 4)] == [0.1, 0.2, None, None]
    assert Retry(attempts=1).delay(1, Random(1)) is None


def test_failures_within_the_window_restart_and_older_ones_do_not() -> None:
    health = Health(Restart(failures=3, window=60))
    assert [health.failed(t) for t in (0, 50, 61)] == [False, False, False]
    assert health.failed(100)


def test_a_restart_forgets_the_failures_before_it() -> None:
    health = Health(Restart(failures=2, window=60))
    assert [health.failed(0), health.failed(1)] == [False, True]
    assert health.restart(1, Random(1)) is not None
    assert not health.failed(2)
    assert health.failed(3)


def test_too_many_restarts_within_the_window_park_and_later_ones_are_forgiven() -> None:
    health = Health(Restart(restarts=2, window=60, jitter=0))
    assert [health.restart(t, Random(1)) for t in (0, 10, 20)] == [0.5, 1.0, None]
    assert health.restart(200, Random(1)) == 0.5
    health = Health(Restart(restarts=0))
    assert health.restart(0, Random(1)) is None
    health.forgive()
    assert Health(Restart(restarts=1, jitter=0)).restart(0, Random(1)) == pytest.approx(0.5)


def test_no_number_of_failures_restarts_when_the_policy_says_none() -> None:
    health = Health(Restart(failures=0))
    assert not any(health.failed(t) for t in range(100))
