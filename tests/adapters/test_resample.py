"""Conversion piece by piece: however sound is cut, it comes out the same, and for as long as it went in."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.adapters.resample import Converter, Samples, check_samples, resampled
from loom.errors import ConfigError
from tests.adapters import sounds

FORMS = [
    Samples(16_000),
    Samples(44_100, 2),
    Samples(8_000, 1, 1),
    Samples(48_000, 3, 3),
    Samples(16_000, 2, 4, True),
]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(FORMS),
    st.lists(st.integers(0, 3000), max_size=12),
    st.integers(0, 2**32),
)
def test_however_it_is_cut_it_comes_out_the_same(form: Samples, cuts: list[int], seed: int) -> None:
    raw = Random(seed).randbytes(12_000)
    raw = raw[: len(raw) - len(raw) % form.step]
    whole = Converter(form).feed(raw, last=True)
    pieces, converter, place = b"", Converter(form), 0
    for cut in cuts:
        pieces += converter.feed(raw[place : place + cut])
        place += cut
    pieces += converter.feed(raw[place:], last=True)
    assert len(pieces) == len(whole)
    pairs = zip(*(memoryview(each).cast("h") for each in (pieces, whole)), strict=True)
    assert all(abs(a - b) <= 1 for a, b in pairs)  # the last bit may be rounded another way


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([8_000, 11_025, 22_050, 24_000, 44_100, 48_000]), st.integers(0, 20_000))
def test_it_lasts_as_long_as_it_did(rate: int, moments: int) -> None:
    assert abs(len(resampled(bytes(2 * moments), rate)) / 2 - moments * 16_000 / rate) <= 2


def test_loud_sound_is_not_turned_inside_out() -> None:
    values = [1.0, -1.0] * 2000
    pcm = resampled(sounds.samples(values, 2), 24_000)
    assert len(pcm)
    assert Converter(Samples(16_000, 1, 4, True)).feed(
        sounds.samples([5.0, -5.0, float("nan"), 0.5], 4, True)
    ) == ((32767).to_bytes(2, "little") + (-32768).to_bytes(2, "little", signed=True) + bytes(2) + b"\0\x40")


@pytest.mark.parametrize(
    "wrong",
    [
        Samples(0),
        Samples(10**9),
        Samples(8000, 0),
        Samples(8000, 1000),
        Samples(8000, 1, 5),
        Samples(8000, 1, 2, True),
    ],
)
def test_what_cannot_be_is_refused(wrong: Samples) -> None:
    with pytest.raises(ConfigError):
        check_samples(wrong)
