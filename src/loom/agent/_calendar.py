"""Runs by the calendar: the moments at which local clocks show certain times on certain days."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

from loom.agent._zones import DAY_S, Zone

_DAY_MS = DAY_S * 1000
_MOST_DAYS = 41 * 366
"""The rarest date, a fifth Monday of February, is at most 40 years away."""
_LAST_DAY = 2_932_890
"""The end of the year 9999, where calendars end, less the days that are looked ahead; in days since 1970."""


class Calendar:
    """The moments at which clocks of *zone* show one of *times* (milliseconds of the day, ascending) on matching days.

    ``by_day``: a time that clocks skip is made up for at the first moment after the gap, and one that they show twice
    counts the first time only. Otherwise the runs are a rhythm: what clocks skip is not there, what they show twice
    runs twice. ``kind`` and ``text`` are what it was made from.
    """

    __slots__ = ("by_day", "kind", "matches", "text", "times", "zone")

    def __init__(
        self,
        kind: str,
        text: str,
        zone: Zone,
        times: Sequence[int],
        matches: Callable[[int], bool] | None = None,
        by_day: bool = True,
    ) -> None:
        self.kind = kind
        self.text = text
        self.zone = zone
        self.times = tuple(times)
        self.matches = matches or (lambda day: True)
        self.by_day = by_day

    def next(self, after_ms: int) -> int | None:
        """The first run later than *after_ms*; None when there is none within forty years."""
        day = self._day(after_ms) - 1
        best: int | None = None
        for each in range(day, min(day + _MOST_DAYS, _LAST_DAY)):
            base, times = self._runs(each)
            place = bisect_right(times, after_ms - base)
            found = base + times[place] if place < len(times) else None
            if (
                best is not None
            ):  # where clocks are set back over midnight the next day begins before this one ends
                return best if found is None else min(best, found)
            best = found
        return best

    def last(self, until_ms: int, first_ms: int) -> int | None:
        """The last run with ``first_ms <= run <= until_ms``."""
        best: int | None = None
        for each in range(self._day(until_ms) + 1, self._day(first_ms) - 2, -1):
            base, times = self._runs(each)
            place = bisect_right(times, until_ms - base) - 1
            found = base + times[place] if place >= 0 else None
            if best is not None:
                best = best if found is None else max(best, found)
                break
            best = found
        return best if best is not None and best >= first_ms else None

    def count(self, first_ms: int, until_ms: int) -> int:
        """How many runs there are with ``first_ms <= run <= until_ms``."""
        total = 0
        for each in range(self._day(first_ms) - 1, self._day(until_ms) + 2):
            base, times = self._runs(each)
            total += bisect_right(times, until_ms - base) - bisect_left(times, first_ms - base)
        return total

    def _day(self, moment_ms: int) -> int:
        return self.zone.day(min(moment_ms, _LAST_DAY * _DAY_MS) // 1000)

    def _runs(self, day: int) -> tuple[int, Sequence[int]]:
        """A base and what to add to it for each run of a local day, ascending."""
        if not self.matches(day):
            return 0, ()
        steady = self.zone.steady(day)
        if steady is not None:
            return (day * DAY_S - steady) * 1000, self.times
        runs = self._odd(day)
        if self.by_day and self.matches(
            day + 1
        ):  # what is made up for after a gap over midnight may be a run of the next day
            runs -= self._odd(day + 1)
        return 0, sorted(runs)

    def _odd(self, day: int) -> set[int]:
        """The runs of a day on which, or near which, clocks are set."""
        runs: set[int] = set()
        for time in self.times:
            seconds, rest = divmod(time, 1000)
            local = day * DAY_S + seconds
            moments = self.zone.moments(local)
            if not self.by_day:
                runs.update(m * 1000 + rest for m in moments)
            elif moments:
                runs.add(moments[0] * 1000 + rest)
            else:
                runs.add(self.zone.after_gap(local) * 1000)
        return runs
