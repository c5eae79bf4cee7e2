"""Durable timers when something goes wrong: what cannot be kept, read or written, and clocks that jump."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Event, on
from loom.agent._ringing import pack
from loom.agent._timer_book import TimerBook
from loom.agent._timer_row import StoredTimer
from loom.agent.context import Effects
from loom.errors import Closed, ConfigError, InvalidEvent, StoreError
from loom.journal import Commit
from loom.testing import Probe, VirtualClock, run, run_until_idle, virtual_time
from tests.agent.ringers import Clockwork, Cook, durable, open_readonly, rang, ringing

NOW = 1_767_225_600_000  # midnight
HOUR = 3_600_000


@virtual_time
async def test_what_cannot_be_kept_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        beats = loom._services.cells["Cook"].beats
        book = ringing(loom).book
        good = ("after", 1, Event("m", 1, topic="m"), None)
        for event in (Event("m", object(), topic="m"), Event("m", 1, topic="m", id="a\0b")):
            effects = Effects()
            effects.timers = [good, ("after", 1, event, None)]
            with pytest.raises(InvalidEvent):
                beats.puts(effects)
            beats.add("after", 1, event)
        effects = Effects()
        effects.timers = [good, ("every", 0, Event("m", 1, topic="m"), None)]
        with pytest.raises(ConfigError, match="every needs more than 0"):
            beats.puts(effects)
        assert book._ahead == {}
        assert len(book) == 0
        assert [letter.reason for letter in loom._services.dead_letters] == ["timer_not_kept"] * 2


@virtual_time
async def test_what_was_taken_back_before_it_left_is_forgotten(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        here = ringing(loom)
        effects = Effects()
        effects.timers = [("after", 1, Event("m", 1, topic="m"), None)]
        puts = loom._services.cells["Cook"].beats.puts(effects)
        assert effects.timers == []
        here.withdrawn([Commit(puts, lambda error: None)])
        assert here.book._ahead == {}
        assert here.next_due_ms() is None


@virtual_time
async def test_a_timer_of_an_agent_that_is_gone_rings_all_the_same_and_its_beats_do_not(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Cook, Clockwork) as loom:
        await loom.publish("egg.start", 10)
        await run_until_idle(loom, 1)

    class Other(Agent):
        heard: list[Any] = []

        @on("egg.done")
        async def done(self, event: Any) -> None:
            self.heard.append(event.payload["for"])

    await asyncio.sleep(48 * 3600)
    async with durable(folder, Other) as loom:
        probe = Probe(loom.bus, "loom.timer.>")
        await run_until_idle(loom, 1)
        assert loom.agent("Other").instance.heard == [10]
        assert probe.count == 0
        assert len(ringing(loom).book) == 2


@virtual_time
async def test_a_row_whose_event_cannot_be_read_stays_and_the_others_ring(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        beats, here = loom._services.cells["Cook"].beats, ringing(loom)
        probe = Probe(loom.bus, "moment")
        here.keep(here.book.puts_for_set(StoredTimer("Cook", "bad", "at", {}, NOW + 5000, "once", b"junk")))
        beats.add("after", 5, Event("moment", 1, topic="moment"))
        with caplog.at_level(logging.ERROR):
            await run_until_idle(loom, 10)
        assert probe.payloads == [1]
        assert "bad of Cook cannot fire" in caplog.text
        assert here.book.get("Cook", "bad") is not None


@virtual_time
async def test_runs_too_many_to_make_up_for_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Clockwork) as loom:
        await run_until_idle(loom, 1)
    await asyncio.sleep(1500 * 3600 + 60)
    async with durable(folder, Clockwork) as loom:
        await run_until_idle(loom, 1)
        assert rang(loom, "Clockwork").count("hour") == 1000
        assert "missed 1500 runs; 500 are too many" in caplog.text


@virtual_time
async def test_a_store_that_cannot_be_read_for_a_while_delays_timers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        here = ringing(loom)
        beats = loom._services.cells["Cook"].beats
        probe = Probe(loom.bus, "moment")
        beats.add("after", 5, Event("moment", 1, topic="moment"))
        await run_until_idle(loom, 1)

        def broken(*_: Any) -> Any:
            raise StoreError("cannot be read")

        with monkeypatch.context() as patch:
            patch.setattr(here.book, "next_due_ms", broken)
            patch.setattr(here.book, "_ripe", broken)
            await asyncio.sleep(10)
        assert "could not fire" in caplog.text
        assert "cannot be read" in caplog.text
        await run_until_idle(loom, 3)
        assert probe.count <= 1


@virtual_time
async def test_after_the_store_is_closed_nothing_is_kept(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        here = ringing(loom)
        puts = here.book.set_after("Cook", "t", 5, b"", "once", NOW)
    with pytest.raises(Closed):
        here.keep(puts)
    assert here.book._ahead == {}
    here.ring(NOW)


class Jumping(VirtualClock):
    __slots__ = ()

    def jump(self, by_ms: int) -> None:
        self._began_ms += by_ms


def test_jumps_of_the_clock_reach_durable_timers(tmp_path: Path) -> None:
    clock = Jumping(NOW)

    async def main() -> None:
        async with durable(tmp_path / "a", Cook, Clockwork) as loom:
            told: list[int] = []
            loom._services.timers.on_jump = told.append
            probe = Probe(loom.bus, "moment")
            beats = loom._services.cells["Cook"].beats
            beats.add("after", 3000, Event("after", 1, topic="moment"))
            beats.add("at", NOW / 1000 + 8 * 3600, Event("at", 1, topic="moment"))
            await run_until_idle(loom, 60)
            clock.jump(9 * HOUR)
            await run_until_idle(loom, 120)
            assert [e.type for e in probe.events] == ["at"]
            assert rang(loom, "Clockwork") == ["morning 1"]
            assert told == [9 * HOUR]
            await run_until_idle(loom, 3000)
            assert [e.type for e in probe.events] == ["at", "after"]
        assert TimerBook(open_readonly(tmp_path / "a"))._shift == 9 * HOUR

    run(main(), clock=clock)


def test_an_event_is_packed_whole() -> None:
    from loom.journal import decode_event
    from loom.store.vault import Vault
    from tests.store.shelf import Shelf

    vault = Vault(Shelf())
    leaves: list[Any] = []
    event = Event("t", {"a": [1]}, topic="a.b", metadata={"x": "y"}, key="k")
    again = decode_event(0, pack(event, vault, leaves), vault)
    assert (again.id, again.payload, again.topic, dict(again.metadata)) == (
        event.id,
        {"a": [1]},
        "a.b",
        {"x": "y"},
    )
