"""Cron lines: five fields, read by cronsim, and the calendar they stand for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from cronsim import CronSim, CronSimError
from cronsim.cronsim import Field

from loom.agent._calendar import Calendar
from loom.agent._zones import Zone
from loom.errors import ConfigError

_EPOCH = dt.date(1970, 1, 1).toordinal()
_CYCLE = dt.date(2000, 1, 1).toordinal(), dt.date(2400, 1, 1).toordinal()  # then the calendar repeats itself
_LONGEST = 256
_FIELDS = (
    (Field.MINUTE, "minute", "0-59"),
    (Field.HOUR, "hour", "0-23"),
    (Field.DAY, "day of the month", "1-31, L (the last) or LW (the last weekday)"),
    (Field.MONTH, "month", "1-12 or JAN-DEC"),
    (Field.DOW, "day of the week", "0-7 or SUN-SAT, MON#2 (the second Monday), 5L (the last Friday)"),
)


def compile_line(line: str, zone: Zone) -> Calendar:
    """The calendar of a cron line in *zone*.

    Raises ConfigError for a line that is no cron line (with the field that is wrong), or one that never fires.
    """
    fields = _checked(line)
    try:
        parsed = CronSim(" ".join(fields), dt.datetime(2000, 1, 1))  # noqa: DTZ001 - only its fields are used
    except CronSimError:  # each field is good by itself
        parsed = None
    matches = None if parsed is None else _matcher(parsed)
    if parsed is None or matches is None or not any(matches(n - _EPOCH) for n in range(*_CYCLE)):
        raise ConfigError(f"cron line {line!r} never fires: no month it names has such a day")
    times = [(h * 60 + m) * 60_000 for h in sorted(parsed.hours) for m in sorted(parsed.minutes)]
    by_day = not fields[0].startswith("*") and not fields[1].startswith("*")
    return Calendar("cron", " ".join(fields), zone, times, matches, by_day)


def _checked(line: str) -> list[str]:
    fields = line.upper().split() if isinstance(line, str) and len(line) <= _LONGEST else []
    if len(fields) != len(_FIELDS):
        raise ConfigError(
            f"cron line {line!r:.60}: write five fields "
            '(minute hour day month weekday), such as "30 7 * * MON-FRI"'
        )
    for (field, name, range_), text in zip(_FIELDS, fields, strict=True):
        try:
            field.parse(text)
        except (CronSimError, AssertionError, ValueError, TypeError):
            raise ConfigError(
                f"cron line {line!r}: the {name} {text!r} is none; use {range_}, *, lists, a-b and /n"
            ) from None
    return fields


def _matcher(parsed: CronSim) -> Callable[[int], bool]:
    months = frozenset(parsed.months)

    def matches(day: int) -> bool:
        date = dt.date.fromordinal(day + _EPOCH)
        return date.month in months and bool(parsed.match_day(date))

    return matches
