"""When timers fire, and what becomes of the runs that fell due while nobody was there to fire them. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from loom.agent._calendar import Calendar
from loom.agent._zones import DAY_S, zone
from loom.errors import ConfigError, MissingExtra

GRACE_MS = 2000
"""A run that is later than this counts as missed; a busy loop is not a night's sleep."""
MOST_CAUGHT_UP = 1000
"""How many runs ``catch_up`` makes up for at once; older ones are counted and left out."""
POLICIES = ("once", "skip", "catch_up", "coalesce")
DEFAULTS = {"after": "once", "at": "once", "every": "coalesce"}
"""What ``ctx.after``, ``ctx.at`` and ``ctx.every`` do with missed runs unless told."""
_FORGET_MS = DAY_S * 1000
_MOST_SECONDS = 100 * 366 * DAY_S


class Once:
    """A single moment: there is no run after it."""

    __slots__ = ()

    def next(self, after_ms: int) -> int | None:
        """None."""
        return None


class Every:
    """A run each *interval_ms* (1 or more), counted from the one before."""

    __slots__ = ("interval_ms",)

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms

    def next(self, after_ms: int) -> int:
        """One interval after *after_ms*, which is a run."""
        return after_ms + self.interval_ms


Schedule = Once | Every | Calendar
ONCE = Once()


class Run(NamedTuple):
    """One firing: the moment it was due (Unix ms), and what its event's metadata says, nothing if it is in time."""

    due_ms: int
    metadata: dict[str, str]


class Runs(NamedTuple):
    """What to fire now, in order, and when the next run is due (None: never).

    ``last_ms`` is the last run that is dealt with now, fired or not, ``missed`` how many runs were late, ``left_out``
    how many of those are more than ``catch_up`` makes up for.
    """

    fire: tuple[Run, ...]
    next_due_ms: int | None
    last_ms: int | None = None
    missed: int = 0
    left_out: int = 0

    def moved(self, by_ms: int) -> Runs:
        """The same told in the time of a clock that is *by_ms* ahead; ``next_due_ms`` stays."""
        if not by_ms:
            return self
        fire = tuple(Run(run.due_ms + by_ms, _moved(run.metadata, by_ms)) for run in self.fire)
        return self._replace(fire=fire)


def check_missed(missed: str) -> str:
    """*missed* if it is one of POLICIES; ConfigError otherwise."""
    if missed not in POLICIES:
        raise ConfigError(f"missed={missed!r}: use {', '.join(POLICIES[:-1])} or {POLICIES[-1]}")
    return missed


def next_due(schedule: Schedule, after_ms: int) -> int | None:
    """The first run later than *after_ms* (for Every: a run), Unix milliseconds; None when there is none."""
    return schedule.next(after_ms)


def due_runs(schedule: Schedule, policy: str, due_ms: int, now_ms: int) -> Runs:
    """What to fire at *now_ms* of a schedule whose next run was due at *due_ms*, by its missed-run policy.

    A run that is in time fires under every policy, without metadata. A late one says ``due_ms``; ``coalesce`` says
    ``missed`` (how many runs it stands for), ``first_ms`` and ``last_ms``; ``catch_up`` says ``left_out`` if they were
    too many.
    """
    if now_ms < due_ms:
        return Runs((), due_ms)
    count = _count(schedule, due_ms, now_ms)
    (last,) = _latest(schedule, due_ms, now_ms, 1)
    following = schedule.next(last)
    in_time = now_ms - last <= GRACE_MS
    missed = count - in_time
    if not missed:
        return Runs((Run(last, {}),), following, last)
    fire: tuple[Run, ...]
    if policy == "skip":
        fire = (Run(last, {}),) if in_time else ()
    elif policy == "catch_up":
        fire = _caught_up(_latest(schedule, due_ms, now_ms, MOST_CAUGHT_UP), count)
    elif policy == "coalesce":
        told = {"missed": str(count), "first_ms": str(due_ms), "last_ms": str(last)}
        fire = (Run(last, {"due_ms": str(last), **told}),)
    else:
        fire = (Run(last, {"due_ms": str(last)}),)
    left_out = count - len(fire) if policy == "catch_up" else 0
    return Runs(fire, following, last, missed, left_out)


def rebased(schedule: Schedule, due_ms: int, last_fired_ms: int | None, now_ms: int) -> int:
    """When a schedule is due after the calendar clock went back to *now_ms*: never later than *due_ms*.

    What has fired does not fire again, unless the clock went back by more than a day: then it had been wrong.
    """
    if not isinstance(schedule, Calendar):
        return due_ms
    after = now_ms
    if last_fired_ms is not None and last_fired_ms - now_ms <= _FORGET_MS:
        after = max(now_ms, last_fired_ms)
    following = schedule.next(after)
    return due_ms if following is None else min(due_ms, following)


def every_schedule(seconds: float) -> Every:
    """A run each *seconds* (at least a millisecond, at most a hundred years); raises ConfigError."""
    if not 0 < seconds <= _MOST_SECONDS:
        raise ConfigError(f"every needs more than 0 seconds and at most {_MOST_SECONDS}, not {seconds!r}")
    return Every(max(1, round(seconds * 1000)))


def at_schedule(time_of_day: str, tz: str | None) -> Calendar:
    """A run a day at a local time (``"07:30"``, ``"07:30:15"``); raises ConfigError."""
    from datetime import time

    try:
        moment = time.fromisoformat(time_of_day)
    except (ValueError, TypeError):
        raise ConfigError(f"@at needs a time of day such as '07:30', not {time_of_day!r}") from None
    if moment.tzinfo is not None:
        raise ConfigError(
            f'@at: write {time_of_day!r} without an offset and name the zone, tz="Europe/Berlin"'
        )
    seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
    return Calendar("at", moment.isoformat(), zone(tz), [seconds * 1000 + moment.microsecond // 1000])


def cron_schedule(line: str, tz: str | None) -> Calendar:
    """The runs of a cron line; raises ConfigError, and MissingExtra where cronsim is not installed."""
    try:
        from loom.agent._cron import compile_line
    except ImportError as error:
        raise MissingExtra("cron", "cronsim") from error
    return compile_line(line, zone(tz))


def spec_of_schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule as JSON values, for ``schedule_from``."""
    if isinstance(schedule, Every):
        return {"every_ms": schedule.interval_ms}
    if isinstance(schedule, Calendar):
        return {schedule.kind: schedule.text, "tz": schedule.zone.name}
    return {}


def schedule_from(spec: dict[str, Any]) -> Schedule:
    """The schedule that *spec* stands for; raises ConfigError for one that makes no sense, MissingExtra."""
    if not spec:
        return ONCE
    tz = spec.get("tz")
    tz = None if tz == "local" else tz
    if "at" in spec:
        return at_schedule(spec["at"], tz)
    if "cron" in spec:
        return cron_schedule(spec["cron"], tz)
    interval = spec.get("every_ms")
    if type(interval) is not int or not 0 < interval <= _MOST_SECONDS * 1000:
        raise ConfigError(f"a timer's schedule is none: {str(spec)[:120]}")
    return Every(interval)


def _moved(metadata: dict[str, str], by_ms: int) -> dict[str, str]:
    return {k: str(int(v) + by_ms) if k.endswith("_ms") else v for k, v in metadata.items()}


def _count(schedule: Schedule, due_ms: int, now_ms: int) -> int:
    """How many runs were due from *due_ms*, which is one, to *now_ms*."""
    if isinstance(schedule, Every):
        return 1 + (now_ms - due_ms) // schedule.interval_ms
    return 1 + schedule.count(due_ms + 1, now_ms) if isinstance(schedule, Calendar) else 1


def _latest(schedule: Schedule, due_ms: int, now_ms: int, most: int) -> list[int]:
    """The last *most* runs from *due_ms*, which is one, to *now_ms*, in order."""
    if isinstance(schedule, Every):
        step = schedule.interval_ms
        count = 1 + (now_ms - due_ms) // step
        return [due_ms + n * step for n in range(max(0, count - most), count)]
    runs: list[int] = []
    if isinstance(schedule, Calendar):
        until: int | None = now_ms
        while until is not None and len(runs) < most:
            until = schedule.last(until, due_ms + 1)
            if until is not None:
                runs.append(until)
                until -= 1
    if len(runs) < most:
        runs.append(due_ms)
    return runs[::-1]


def _caught_up(dues: list[int], count: int) -> tuple[Run, ...]:
    runs = [Run(due, {"due_ms": str(due)}) for due in dues]
    if count > len(runs):
        runs[0].metadata["left_out"] = str(count - len(runs))
    return tuple(runs)
