"""Moments as texts: exact to the millisecond, and only what RFC 3339 allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.event import _rfc3339 as rfc3339


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_moments_come_back(stamp: int) -> None:
    written = rfc3339.write(stamp)
    assert written is not None
    assert rfc3339.read(written) == stamp


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999), st.integers(-1439, 1439))
def test_an_offset_is_taken_into_account(stamp: int, minutes: int) -> None:
    local = rfc3339.write(stamp + minutes * 60_000)
    if local is not None:
        offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        assert rfc3339.read(local.removesuffix("Z") + offset) == stamp


@pytest.mark.parametrize(
    ("written", "stamp"),
    [
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01 00:00:00.0019999999999Z", 1),
        ("1969-12-31T23:59:59.5Z", -500),
        ("1985-04-12T23:20:50.52Z", 482196050520),
        ("1990-12-31T23:59:60Z", 662688000000),
        ("1990-12-31T15:59:60-08:00", 662688000000),
        ("1937-01-01T12:00:27.87+00:20", -1041337172130),
        ("0000-01-01T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T00:00:61Z", None),
        ("2026-01-01T00:00:00+24:00", None),
        ("2026-01-01T00:00:00Z\n", None),
        ("20260101T000000Z", None),
    ],
)
def test_moments_of_others(written: str, stamp: int | None) -> None:
    assert rfc3339.read(written) == stamp


def test_a_moment_beyond_the_calendar_has_no_text() -> None:
    assert rfc3339.write(253_402_300_800_000) is None
