"""Packing of large leaves."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import StoreCorrupt
from loom.store._squeeze import squeeze, unsqueeze


@given(st.binary(max_size=3000) | st.integers(0, 9000).map(lambda n: b"the same words again " * (n // 21)))
def test_what_is_kept_comes_back(data: bytes) -> None:
    kept = squeeze(data)
    assert unsqueeze(kept) == data
    assert len(kept) <= len(data) + 1


def test_words_get_smaller_and_noise_and_large_ones_do_not() -> None:
    words = b"words that repeat themselves " * 100
    assert len(squeeze(words)) < len(words) / 4
    noise = zlib.compress(bytes(range(256)) * 40, 9) * 20
    assert unsqueeze(squeeze(noise)) == noise
    large = b"a" * 100_000
    assert len(squeeze(large)) == len(large) + 1


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"\2abc",
        b"\1abc",
        b"\1" + zlib.compress(b"a" * 5000)[:-3],
        b"\1" + zlib.compress(b"a" * 5_000_000),
    ],
)
def test_what_makes_no_sense_is_damage(kept: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        unsqueeze(kept)
