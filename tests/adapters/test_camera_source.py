"""The pace of the camera: an absolute schedule, and what is missed is counted, not made up for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._camera_scenes import WITHOUT_FACE, scene
from loom.adapters._camera_source import Pace


@given(st.floats(1, 200), st.lists(st.floats(0, 0.5), min_size=1, max_size=100))
def test_no_tick_comes_early_and_every_tick_is_taken_or_missed(rate: float, works: list[float]) -> None:
    pace, now, taken = Pace(rate, 0.0), 0.0, 0
    for work in works:
        now += max(0.0, pace.due(now))
        assert now * rate >= pace.tick - 1e-6
        assert now * rate < pace.tick + 1 + 1e-6
        pace.tick += 1
        taken += 1
        now += work
    assert pace.tick == taken + pace.missed


def test_without_a_rate_nothing_is_waited_for() -> None:
    pace = Pace(None, 0.0)
    assert (pace.due(5.0), pace.steady, pace.missed) == (0.0, False, 0)


@given(st.integers(0, 2**32), st.integers(0, 1000))
def test_scenes_are_the_same_for_the_same_seed_and_alternate_between_faces_and_none(
    seed: int, index: int
) -> None:
    made = scene(seed, index, 30)
    assert made == scene(seed, index, 30)
    assert (made.faces == 0) == (index % 2 == 1) == (made.name in WITHOUT_FACE)
    assert 0 <= made.faces <= 6
    assert all(0 <= part <= 1 for frame in range(made.frames) for part in made.place(frame))
