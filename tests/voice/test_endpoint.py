"""Where speech begins and ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import ConfigError
from loom.voice.endpoint import Ended, Endpointer, Ends, Started

FRAME = 0.02
VALUES = st.lists(st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.5, 0.59, 0.61, 0.9, 1.0]), max_size=300)


def marks(values: list[float], sizes: list[int] | None = None) -> list[Started | Ended]:
    ends, found, start = Endpointer(Ends(longest=3.0)), [], 0
    for size in sizes or [len(values)]:
        found += ends.feed(values[start : start + size], FRAME)
        start += size
    return [*found, *ends.feed(values[start:], FRAME), *ends.finish()]


def test_speech_between_silences_is_found():
    found = marks([0.0] * 50 + [0.9] * 50 + [0.0] * 50)
    assert [type(each) for each in found] == [Started, Ended]
    assert found[0].at == pytest.approx(1.0)
    assert found[1].start == pytest.approx(1.0)
    assert found[1].end == pytest.approx(2.0)


def test_a_click_is_no_speech():
    assert marks([0.0] * 50 + [1.0] * 5 + [0.0] * 50) == []


def test_a_pause_for_breath_does_not_end_it():
    found = marks([0.9] * 25 + [0.0] * 30 + [0.9] * 25 + [0.0] * 50)
    assert len(found) == 2
    assert found[1].end == pytest.approx(1.6)


def test_a_click_right_after_the_end_is_no_speech_either():
    assert len(marks([0.9] * 50 + [0.0] * 35 + [1.0] * 3 + [0.0] * 50)) == 2


def test_what_lasts_too_long_is_cut_and_goes_on_as_the_next():
    found = marks([0.9] * 200)
    assert [type(each) for each in found] == [Started, Ended, Started, Ended]
    assert found[1].cut
    assert not found[3].cut


def test_sound_that_never_came_counts_as_silence():
    ends = Endpointer()
    assert ends.feed([1.0] * 20, FRAME, 0.0) == [Started(0.0)]
    [ended] = ends.feed([0.0] * 2, FRAME, 5.0)
    assert isinstance(ended, Ended)
    assert ended.end == pytest.approx(0.4)
    assert ends.now == pytest.approx(5.04)


@given(VALUES)
def test_beginnings_and_ends_come_in_pairs_and_in_order(values):
    found = marks(values)
    assert [type(each) for each in found] == [Started, Ended] * (len(found) // 2)
    times = [time for each in found for time in ([each.at] if isinstance(each, Started) else [each.end])]
    assert times == sorted(times)
    for started, ended in zip(found[::2], found[1::2], strict=True):
        assert ended.start == started.at <= ended.end


@given(VALUES, st.lists(st.integers(1, 40), max_size=20))
def test_the_chunks_it_comes_in_make_no_difference(values, sizes):
    assert marks(values, sizes) == marks(values)


@pytest.mark.parametrize("wrong", [{"loud": 0.2}, {"quiet": -1}, {"onset": 0}, {"longest": 0.1}])
def test_thresholds_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        Ends(**wrong)
