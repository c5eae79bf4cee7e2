"""Time zones as one number: how far local clocks are ahead of UTC at a moment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from loom.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    import datetime as dt

DAY_S = 86_400
WIDEST_S = 16 * 3600
"""No zone was ever further from UTC than this."""


class Zone(NamedTuple):
    """A time zone: its name, and the seconds its clocks are ahead of UTC at a Unix second."""

    name: str
    offset: Callable[[int], int]

    def moments(self, local: int) -> tuple[int, ...]:
        """The Unix seconds at which local clocks show *local* (seconds since 1970 as the clock on the wall counts).

        One as a rule; two, in order, where clocks are set back over it; none where they are set forward over it.
        """
        before, behind = self.offset(local - DAY_S), self.offset(local + DAY_S)
        found = {m for m in (local - before, local - behind) if m + self.offset(m) == local}
        return tuple(sorted(found))

    def after_gap(self, local: int) -> int:
        """The first Unix second after the gap that *local*, which no clock shows, lies in."""
        low, high = local - self.offset(local + DAY_S), local - self.offset(local - DAY_S)
        while high - low > 1:  # clocks show less than *local* at low, more at high
            middle = (low + high) // 2
            if middle + self.offset(middle) < local:
                low = middle
            else:
                high = middle
        return high

    def day(self, moment: int) -> int:
        """The local day of a Unix second, in days since 1970."""
        return (moment + self.offset(moment)) // DAY_S

    def steady(self, day: int) -> int | None:
        """The offset that holds all through a local day; None when clocks are set then."""
        begin, end = day * DAY_S, (day + 1) * DAY_S
        before, behind = self.offset(begin - WIDEST_S), self.offset(end + WIDEST_S)
        if before != behind:  # clocks are set nearby: look closer
            east, west = max(before, behind), min(before, behind)
            before, behind = self.offset(begin - east - 1), self.offset(end - west)
        return before if before == behind else None


def zone(name: str | None) -> Zone:
    """The zone called *name* (``"Europe/Berlin"``, ``"UTC"``), or the machine's own for None.

    Raises ConfigError for an unknown one, MissingExtra when the machine has no table of zones.
    """
    if name is not None and not isinstance(name, str):
        raise ConfigError(f'a time zone is a name such as "Europe/Berlin", not {name!r}')
    return _zone(name)


@lru_cache(maxsize=64)
def _zone(name: str | None) -> Zone:
    if name == "UTC":
        return Zone("UTC", lambda moment: 0)
    if name is not None:
        return Zone(name, _offsets(_load(name)))
    own = local_name()
    try:
        return Zone(own, _offsets(_load(own))) if own else _MACHINE
    except (ConfigError, MissingExtra):
        return _MACHINE


def _of_machine(moment: int) -> int:
    return time.localtime(moment).tm_gmtoff


_MACHINE = Zone("local", _of_machine)


def local_name() -> str | None:
    """The name of the machine's zone: from TZ, or from what /etc/localtime points at; None when neither says."""
    told = os.environ.get("TZ", "").removeprefix(":")
    if told:
        return told if "/" in told or told == "UTC" else None
    try:
        _, found, name = os.readlink("/etc/localtime").rpartition("zoneinfo/")
    except OSError:
        return None
    return name.removeprefix("posix/") if found else None


def _load(name: str) -> dt.tzinfo:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):  # a folder of the database is an OSError
        known = sorted(available_timezones())
    if not known:
        raise MissingExtra("cron", "tzdata")
    raise ConfigError(f"unknown time zone {name!r}{_near(str(name), known)}")


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    by_lower = {k.lower(): k for k in known}
    by_lower.update(
        {k.rpartition("/")[2].lower(): k for k in known if k.rpartition("/")[2].lower() not in by_lower}
    )
    near = [by_lower[n] for n in get_close_matches(name.lower().replace(" ", "_"), by_lower, 3, 0.6)]
    if near:
        return f"; did you mean {' or '.join(dict.fromkeys(near))}?"
    return '; write it as "Europe/Berlin" or "UTC"'


def _offsets(info: dt.tzinfo) -> Callable[[int], int]:
    import datetime as dt

    def offset(moment: int) -> int:
        ahead = dt.datetime.fromtimestamp(moment, info).utcoffset()
        return 0 if ahead is None else ahead.days * DAY_S + ahead.seconds

    return offset
