"""Beliefs of many backends: bounded, the same after a restart, and nothing that is damaged is believed."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.router.learned.beliefs import LARGEST, MOST, Beliefs

SIZE = 14


def learnt(keys: int, chance: Random, size: int = SIZE) -> Beliefs:
    found = Beliefs(size)
    for number in range(keys):
        row = found.of((f"b{number}", "chat"), 0.7)
        for _ in range(20):
            row.learn([1.0, *(chance.uniform(-1, 1) for _ in range(size - 1))], chance.random())
    return found


def quality(key: tuple[str, str]) -> float:
    return 0.7


def test_the_one_that_was_used_longest_ago_goes() -> None:
    beliefs = Beliefs(SIZE)
    for number in range(MOST):
        beliefs.of((str(number), "chat"), 0.5)
    first = beliefs.of(("0", "chat"), 0.5)
    beliefs.of(("new", "chat"), 0.5)
    assert len(beliefs) == MOST
    assert beliefs.of(("0", "chat"), 0.5) is first
    assert ("1", "chat") not in beliefs.counts()


def test_what_was_learnt_comes_back() -> None:
    beliefs = learnt(3, Random(1))
    again = Beliefs(SIZE)
    assert again.decode(beliefs.encoded(), quality) == ""
    at = [1.0, *[0.5] * (SIZE - 1)]
    assert again.counts() == beliefs.counts()
    for key in beliefs.counts():
        assert again.of(key, 0.7).expect(at) == pytest.approx(beliefs.of(key, 0.7).expect(at), abs=1e-4)


def test_the_largest_state_fits_and_the_newest_is_in_it() -> None:
    beliefs = learnt(MOST, Random(2), 40)
    for number in range(MOST):
        beliefs.of(("n" * 100 + str(number), "t" * 100), 0.5).learn([1.0] * 40, 1.0)
    state = beliefs.encoded()
    assert len(state) <= LARGEST
    again = Beliefs(40)
    assert again.decode(state, quality) == ""
    assert 0 < len(again) < MOST
    assert again.encoded() == state


def test_a_name_too_long_to_be_kept_is_believed_until_the_end() -> None:
    beliefs = Beliefs(SIZE)
    beliefs.of(("n" * 1000, "chat"), 0.5).learn([1.0] * SIZE, 1.0)
    again = Beliefs(SIZE)
    assert again.decode(beliefs.encoded(), quality) == ""
    assert len(again) == 0


@given(st.binary(max_size=200))
def test_no_bytes_are_believed_by_chance(state: bytes) -> None:
    beliefs = learnt(1, Random(3))
    before = beliefs.counts()
    assert beliefs.decode(state, quality)
    assert beliefs.counts() == before


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_found(place: int, by: int) -> None:
    state = bytearray(learnt(2, Random(4)).encoded())
    state[place % len(state)] ^= by
    beliefs = Beliefs(SIZE)
    problem = beliefs.decode(bytes(state), quality)
    assert problem or place % len(state) in range(6, 8)  # two bytes that say nothing
    assert bool(problem) == (len(beliefs) == 0)


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
def test_what_other_inputs_taught_is_refused(size: int) -> None:
    assert "inputs" in Beliefs(size).decode(learnt(1, Random(5)).encoded(), quality)


def test_a_state_that_is_too_large_is_refused() -> None:
    assert "are no learnt state" in Beliefs(SIZE).decode(b"\0" * (LARGEST + 1), quality)


@pytest.mark.parametrize("value", [1e9, -1e9, 3e38])
def test_more_than_the_rewards_can_have_made_is_not_believed(value: float) -> None:
    """A state with a good check sum that nothing learnt later could move."""
    beliefs = Beliefs(SIZE)
    row = beliefs.of(("b", "chat"), 0.7)
    row.learn([1.0] * SIZE, 0.0)
    data, pull = row.remembered()
    assert row.recall([abs(value) if n == 0 else 0.0 for n in range(len(data))], [value, *pull[1:]], 1)
    again = Beliefs(SIZE)
    assert "nothing that can be learnt" in again.decode(beliefs.encoded(), quality)
    assert len(again) == 0
