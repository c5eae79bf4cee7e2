"""Days of budgets: where they begin on the clocks of a place, also on the days that these are set."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from loom.errors import ConfigError

DAY_S = 86_400


def utc(moment: int) -> int:
    """The seconds that clocks of UTC are ahead of UTC at a Unix second."""
    return 0


def clocks(zone: str | float) -> Callable[[int], int]:
    """The seconds that clocks of *zone* are ahead of UTC at a Unix second: a name, or hours ahead of UTC.

    Raises ConfigError for a zone that this machine does not know.
    """
    if isinstance(zone, str) and zone != "UTC":
        return _clocks_of(zone)
    hours = 0.0 if zone == "UTC" else zone
    if isinstance(hours, bool) or not isinstance(hours, (int, float)) or not -16 <= hours <= 16:
        raise ConfigError(
            f'a time zone is a name such as "Europe/Berlin", or hours from -16 to 16, not {zone!r}'
        )
    seconds = round(hours * 3600)
    return lambda moment: seconds


def _clocks_of(name: str) -> Callable[[int], int]:
    import datetime as dt  # late: most are content with UTC
    from zoneinfo import ZoneInfo, available_timezones

    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # a folder of the database is an OSError
        known = available_timezones()
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else 'write it as "Europe/Berlin"'
        raise ConfigError(
            f"no time zone {name[:80]!r}{'' if known else ', for this machine has none'}; {hint}"
        ) from None

    def offset(moment: int) -> int:
        ahead = dt.datetime.fromtimestamp(moment, zone).utcoffset()
        return 0 if ahead is None else ahead.days * DAY_S + ahead.seconds

    return offset


class Calendar:
    """The local days of a place; *offset* gives the seconds its clocks are ahead of UTC at a Unix second."""

    __slots__ = ("_known", "_offset")

    def __init__(self, offset: Callable[[int], int] = utc) -> None:
        self._offset = offset
        self._known = (
            0,
            0,
            0,
        )  # a day, and from and until when it is it: nearly every question is about today

    def day(self, now_ms: int) -> int:
        """The local day, in days since 1970."""
        today, begin, end = self._known
        if not begin <= now_ms < end:
            today = self._day(now_ms // 1000)
            self._known = (today, now_ms, self.ends_ms(now_ms))
        return today

    def _day(self, second: int) -> int:
        return (second + self._offset(second)) // DAY_S

    def ends_ms(self, now_ms: int) -> int:
        """When the next local day begins, Unix milliseconds: 23 to 25 hours after this one did where clocks are set."""
        low = now_ms // 1000
        today = self._day(low)
        high = low + 3 * DAY_S
        while high - low > 1:  # it is this day at low, a later one at high
            middle = (low + high) // 2
            if self._day(middle) <= today:
                low = middle
            else:
                high = middle
        return high * 1000

    def shown(self, moment_ms: int) -> str:
        """The local date and time, with the distance from UTC."""
        import datetime as dt  # late: only who is refused reads it

        second = moment_ms // 1000
        zone = dt.timezone(dt.timedelta(seconds=self._offset(second)))
        return dt.datetime.fromtimestamp(second, zone).isoformat(" ", "minutes")
