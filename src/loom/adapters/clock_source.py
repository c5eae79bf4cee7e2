"""Time as a source: an event every so often, at a time of day, or by a cron line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from loom.adapters.source import Out
from loom.agent._schedule import (
    Every,
    Schedule,
    at_schedule,
    check_missed,
    cron_schedule,
    due_runs,
    every_schedule,
    rebased,
)
from loom.clock import Clock, SystemClock
from loom.errors import ConfigError

LOOK_MS = 30_000
"""How long it waits at most before it looks at the calendar again, which somebody may have set."""


class ClockSource:
    """Publishes {"due_ms", "number"} on *topic* whenever *schedule* is due; *missed* says what becomes of late runs.

    An interval is counted by a steady clock, anything else by the calendar: *clock*. Runs that fell due while nothing
    ran are not made up for: a timer of an agent outlives the process, this does not.
    """

    def __init__(
        self, name: str, topic: str, schedule: Schedule, missed: str = "coalesce", clock: Clock | None = None
    ) -> None:
        self.name = name
        self.topic = topic
        self.topics = (topic,)
        self.schedule = schedule
        self.missed = check_missed(missed)
        self._clock = clock or SystemClock()
        self._number = 0
        self._last: int | None = None

    async def run(self, out: Out) -> None:
        """Publish until cancelled, or until the schedule has no run left."""
        now = self._now()
        seen = now()
        due = self.schedule.next(seen)
        while due is not None:
            moment = now()
            if moment < seen:
                due = rebased(self.schedule, due, self._last, moment)
            seen = moment
            if moment < due:
                await asyncio.sleep(min(due - moment, LOOK_MS) / 1000)
                continue
            due = await self._fire(out, due, moment)

    async def _fire(self, out: Out, due: int, now: int) -> int | None:
        runs = due_runs(self.schedule, self.missed, due, now)
        for run in runs.fire:
            self._number += 1
            payload: dict[str, Any] = {"due_ms": run.due_ms, "number": self._number}
            await out(self.topic, payload, metadata=run.metadata)
        self._last = runs.last_ms
        return runs.next_due_ms

    def _now(self) -> Callable[[], int]:
        if not isinstance(self.schedule, Every):
            return self._clock.now_ms
        loop = asyncio.get_running_loop()
        began, start = self._clock.now_ms(), loop.time()
        return lambda: began + round((loop.time() - start) * 1000)


def clock(
    name: str,
    topic: str = "",
    every: float | None = None,
    at: str | None = None,
    cron: str | None = None,
    timezone: str | None = None,
    missed: str = "coalesce",
) -> ClockSource:
    """An event *every* so many seconds, *at* a time of day ("07:30") or by a *cron* line, in *timezone*.

    Raises ConfigError unless exactly one of the three is given and makes sense; MissingExtra for a cron line
    without cronsim.
    """
    given = [key for key, value in {"every": every, "at": at, "cron": cron}.items() if value is not None]
    if len(given) != 1:
        raise ConfigError(
            f"a clock needs one of every, at and cron, not {' and '.join(given) or 'none of them'}; "
            'such as every = 60, at = "07:30" or cron = "0 7 * * MON-FRI"'
        )
    if every is not None:
        if timezone is not None:
            raise ConfigError("a clock with every counts seconds and takes no timezone")
        schedule: Schedule = every_schedule(every)
    else:
        schedule = at_schedule(at, timezone) if at is not None else cron_schedule(cron or "", timezone)
    return ClockSource(name, topic or f"clock.{name}", schedule, missed)
