"""Time as a source: every so often, at a time of day and by cron, whatever becomes of the calendar meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loom.adapters.clock_source import ClockSource, clock
from loom.errors import ConfigError
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe, VirtualClock, new_loom, virtual_time
from loom.testing.clock import EPOCH_MS

HOUR = 3_600_000


def on_this_clock(**settings: Any) -> ClockSource:
    made = clock("wake", **settings)
    loop: Any = asyncio.get_running_loop()
    return ClockSource(made.name, made.topic, made.schedule, made.missed, loop.clock)


@virtual_time
async def test_an_interval_is_kept_without_drift() -> None:
    async with new_loom(on_this_clock(every=0.25)) as loom:
        probe = Probe(loom.bus, "clock.wake")
        await asyncio.sleep(10.1)
        assert [p["due_ms"] - EPOCH_MS for p in probe.payloads] == [250 * n for n in range(1, 41)]
        assert [p["number"] for p in probe.payloads] == list(range(1, 41))


@virtual_time
async def test_a_time_of_day_and_a_cron_line_follow_the_clocks_of_their_zone() -> None:
    pytest.importorskip("cronsim")
    daily, cron = (
        on_this_clock(at="07:30", timezone="UTC"),
        on_this_clock(cron="0 7 * * *", timezone="Europe/Berlin"),
    )
    cron.name = "cron"
    cron.topic, cron.topics = "clock.cron", ("clock.cron",)
    async with new_loom(daily, cron) as loom:
        probe, other = Probe(loom.bus, "clock.wake"), Probe(loom.bus, "clock.cron")
        await asyncio.sleep(48 * 3600)
        assert [(p["due_ms"] - EPOCH_MS) / HOUR for p in probe.payloads] == [7.5, 31.5]
        assert [(p["due_ms"] - EPOCH_MS) / HOUR for p in other.payloads] == [6, 30]


class Jumping(VirtualClock):
    """A calendar that somebody sets."""

    offset = 0

    def now_ms(self) -> int:
        loop: Any = asyncio.get_running_loop()
        return int(loop.clock.now_ms()) + self.offset


@virtual_time
async def test_a_calendar_that_jumps_ahead_tells_once_and_how_much_was_missed() -> None:
    jumping = Jumping()
    made = clock("wake", at="12:00", timezone="UTC")
    async with new_loom(ClockSource("wake", "clock.wake", made.schedule, "coalesce", jumping)) as loom:
        probe = Probe(loom.bus, "clock.wake")
        await asyncio.sleep(60)
        jumping.offset = 60 * HOUR
        await asyncio.sleep(60)
        (event,) = probe.events
        assert event.metadata["missed"] == "3"
        jumping.offset -= 2 * HOUR
        await asyncio.sleep(3 * 3600)
        assert len(probe.events) == 1  # what has been told is not told again when the clock goes back


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("every = 60\ncron = '0 7 * * *'", "needs one of every, at and cron, not every and cron"),
        ("", "not none of them"),
        ("every = 0", "more than 0 seconds"),
        ("at = '25:00'", "time of day"),
        ("cron = '61 * * * *'", "minute"),
        ("at = '07:00'\ntimezone = 'Berlin/Europe'", "unknown time zone"),
        ("every = 1\ntimezone = 'UTC'", "no timezone"),
        ("every = 1\nmissed = 'never'", "missed='never'"),
    ],
)
def test_a_block_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    pytest.importorskip("cronsim")
    with pytest.raises(ConfigError, match=f"loom.toml:1: .*{told}"):
        build(parse_project(f'[sources.wake]\nuse = "clock"\n{text}\n', tmp_path / "loom.toml"))


async def test_one_block_of_a_project_file_ticks(tmp_path: Path) -> None:
    text = '[sources.wake]\nuse = "clock"\nevery = 0.01\ntopic = "tick"\n'
    project = await asyncio.to_thread(parse_project, text, tmp_path / "loom.toml")
    async with await asyncio.to_thread(build, project) as loom:
        probe = Probe(loom.bus, "tick")
        await probe.wait(3)
        assert [p["number"] for p in probe.payloads][:3] == [1, 2, 3]
