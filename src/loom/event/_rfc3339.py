"""Moments as RFC 3339 texts and back, exact to the millisecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))\Z",
    re.ASCII,
)


def write(stamp_ms: int) -> str | None:
    """Unix milliseconds as ``2026-11-22T19:34:53.123Z``; None outside of the years 1 to 9999."""
    try:
        moment = _EPOCH + timedelta(milliseconds=stamp_ms)
    except OverflowError:
        return None
    return moment.strftime(f"{moment.year:04}-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def read(text: str) -> int | None:
    """Unix milliseconds of an RFC 3339 *text*, what is finer is cut off; None for any other text."""
    found = _MOMENT.match(text)
    if found is None:
        return None
    *fields, second, fraction, _, sign, hours, minutes = found.groups()
    leap = second == "60"  # the moment after second 59
    try:
        moment = datetime(*map(int, fields), 59 if leap else int(second), tzinfo=UTC)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    offset = int(f"{sign}1") * (int(hours) * 60 + int(minutes)) if sign else 0
    whole = (moment - _EPOCH) // timedelta(seconds=1) + leap - 60 * offset
    return whole * 1000 + int(f"{fraction or '0'}000"[:3])
