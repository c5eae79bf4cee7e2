"""When a worker starts again, when it counts as gone, when it says too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.worker._vigilance import Allowance, overdue, restart_delay
from loom.worker.limits import WorkerLimits

LIMITS = WorkerLimits(heartbeat=1.0, heartbeat_timeout=15.0, backoff_first=0.1, backoff_max=30.0)


def test_the_first_restart_is_at_once_then_the_pauses_double_up_to_the_limit() -> None:
    assert [round(restart_delay(n, LIMITS), 3) for n in range(6)] == [0, 0, 0.1, 0.2, 0.4, 0.8]
    assert restart_delay(10_000, LIMITS) == 30.0


@given(st.integers(0, 10_000))
def test_pauses_never_shrink_while_it_keeps_dying(deaths: int) -> None:
    assert restart_delay(deaths, LIMITS) <= restart_delay(deaths + 1, LIMITS) <= LIMITS.backoff_max


def test_silence_beyond_the_timeout_is_overdue() -> None:
    assert not overdue(heard=0.0, ticked=14.0, now=15.0, limits=LIMITS)
    assert overdue(heard=0.0, ticked=15.0, now=16.0, limits=LIMITS)


def test_one_that_was_never_heard_of_is_still_starting() -> None:
    assert not overdue(heard=None, ticked=999.0, now=1000.0, limits=LIMITS)


def test_a_host_that_was_held_up_itself_asks_once_more() -> None:
    assert not overdue(heard=0.0, ticked=1.0, now=100.0, limits=LIMITS)
    assert overdue(heard=0.0, ticked=100.0, now=101.0, limits=LIMITS)


def test_a_burst_is_allowed_then_the_rate() -> None:
    allowance = Allowance(3, 1.0, now=0.0)
    assert [allowance.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(2.0) for _ in range(3)] == [True, True, False]


@given(st.lists(st.floats(0, 1), max_size=200))
def test_no_stretch_of_time_allows_more_than_burst_and_rate(pauses: list[float]) -> None:
    allowance, now, taken = Allowance(5, 2.0, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
    assert taken <= 5 + 2.0 * now + 1e-6
