"""Durable timers in a runtime: set by steps, fired as inputs, over crashes, full disks and jumps of the clock."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Event, Loom, at, every, on
from loom.agent._ringing import Ringing, pack
from loom.agent._timer_book import TimerBook
from loom.agent._timer_row import StoredTimer
from loom.agent.context import Effects
from loom.errors import Closed, ConfigError, InvalidEvent, StoreError, StoreFull
from loom.journal import Commit
from loom.store import Family
from loom.testing import Probe, VirtualClock, new_loom, run, run_until_idle, virtual_time

NOW = 1_767_225_600_000  # midnight
HOUR = 3_600_000


class Cook(Agent):
    rang: list[str] = []

    @on("egg.start")
    async def start(self, event: Any, ctx: Any) -> None:
        ctx.after(event.payload, "egg.done", {"for": event.payload})

    @on("egg.done")
    async def done(self, event: Any) -> None:
        self.rang.append(f"{event.payload['for']}{' late' if 'due_ms' in event.metadata else ''}")


class Clockwork(Agent):
    rang: list[str] = []

    @at("07:30", tz="UTC", missed="coalesce")
    async def morning(self, event: Any) -> None:
        self.rang.append(f"morning {event.metadata.get('missed', '')}")

    @every(3600, missed="catch_up")
    async def hourly(self, event: Any) -> None:
        self.rang.append("hour")

    @every(3600)
    async def beat(self, event: Any) -> None:
        self.rang.append("beat")


@asynccontextmanager
async def durable(folder: Path, *agents: Any) -> AsyncIterator[Loom]:
    loom = new_loom(*agents, data=folder)
    services = loom._services
    assert services.durable is not None
    if services.timers.durable is None:
        Ringing(TimerBook(services.durable.backend), services.durable.journal, services)
    async with loom:
        ringing(loom).begin()
        yield loom
        ringing(loom).stop()


def ringing(loom: Loom) -> Ringing:
    found = loom._services.timers.durable
    assert found is not None
    return found


def rang(loom: Loom, name: str) -> list[str]:
    found: list[str] = loom.agent(name).instance.rang
    return found


def crash(folder: Path) -> Path:
    """What is on disk now, as a process that dies would leave it."""
    copy = folder.with_name(folder.name + "-crashed")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*lock*"))
    return copy


@virtual_time
async def test_a_timer_rings_after_a_crash_once(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Cook) as loom:
        await loom.publish("egg.start", 10)
        await loom.publish("egg.start", 3600)
        await run_until_idle(loom, 5)
        left = crash(folder)
    await asyncio.sleep(60)
    async with durable(left, Cook) as loom:
        await run_until_idle(loom, 1)
        assert rang(loom, "Cook") == ["10 late"]
        left = crash(left)
    async with durable(left, Cook) as loom:
        await run_until_idle(loom, 3600)
        assert rang(loom, "Cook") == ["10 late", "3600"]
        assert len(ringing(loom).book) == 0


@virtual_time
async def test_the_event_of_a_timer_is_journalled_with_the_end_of_the_timer(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        await loom.publish("egg.start", 10)
        await run_until_idle(loom, 5)
        written: list[Commit] = []
        committer = ringing(loom)._journal.committer
        add = committer.add
        committer.add = lambda commit: (written.append(commit), add(commit))[1]  # type: ignore[method-assign,func-returns-value]
        await run_until_idle(loom, 6)
        firing = next(c for c in written if any(p.family is Family.TIMERS for p in c.puts))
        assert {p.family for p in firing.puts} >= {Family.TIMERS, Family.DUE, Family.JOURNAL, Family.IDS}
        assert rang(loom, "Cook") == ["10"]


@virtual_time
async def test_a_firing_that_finds_no_space_is_tried_again(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        await loom.publish("egg.start", 10)
        await run_until_idle(loom, 5)
        committer = ringing(loom)._journal.committer
        backend = committer._backend
        full = committer._backend = Full(backend)
        await asyncio.sleep(10)
        assert rang(loom, "Cook") == []
        assert 3 <= full.tries <= 8, "once a second"
        committer._backend = backend
        await run_until_idle(loom, 5)
        assert rang(loom, "Cook") == ["10 late"]


class Planner(Agent):
    heard: list[str] = []

    @on("plan")
    async def plan(self, event: Any, ctx: Any) -> None:
        ctx.at(event.payload, "heard.skip", missed="skip")
        ctx.at(event.payload, "heard.once")
        ctx.every(60, "heard.again", missed="catch_up")

    @on("heard.*")
    async def hear(self, event: Any) -> None:
        self.heard.append(event.type)


@virtual_time
async def test_a_step_says_what_becomes_of_missed_runs(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Planner) as loom:
        await loom.publish("plan", NOW + 90_000)
        await run_until_idle(loom, 1)
        left = crash(folder)
    await asyncio.sleep(149)
    async with durable(left, Planner) as loom:
        await run_until_idle(loom, 1)
        assert sorted(loom.agent("Planner").instance.heard) == ["again", "again", "once"]


@virtual_time
async def test_a_step_that_could_not_be_kept_has_set_no_timer_until_it_is(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        probe = Probe(loom.bus, "egg.done")
        committer = ringing(loom)._journal.committer
        backend = committer._backend
        await loom.publish("egg.start", 5)
        committer._backend = Full(backend)
        await asyncio.sleep(8)
        assert probe.count == 0
        committer._backend = backend
        await run_until_idle(loom, 60)
        assert probe.count == 1
        assert ringing(loom).book._ahead == {}
        assert rang(loom, "Cook") == ["5"]


class Full:
    """A backend that has no space."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.tries = 0

    def write(self, puts: Any, sync: bool = True) -> None:
        self.tries += 1
        raise StoreFull("no space")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


@virtual_time
async def test_beats_with_a_policy_go_on_after_a_crash(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Clockwork) as loom:
        await run_until_idle(loom, 5400)
        assert rang(loom, "Clockwork").count("hour") == rang(loom, "Clockwork").count("beat") == 1
        left = crash(folder)
    await asyncio.sleep(48 * 3600)
    async with durable(left, Clockwork) as loom:
        await run_until_idle(loom, 1)
        assert rang(loom, "Clockwork").count("hour") == 49, "caught up"
        assert rang(loom, "Clockwork").count("beat") == 1, "skipped"
        assert rang(loom, "Clockwork").count("morning 2") == 1
        assert sum(line.startswith("morning") for line in rang(loom, "Clockwork")) == 1
        await run_until_idle(loom, 1800)
        assert rang(loom, "Clockwork").count("hour") == 50, "the rhythm stayed"


@virtual_time
async def test_nothing_rings_before_the_handlers_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    async with durable(folder, Cook) as loom:
        await loom.publish("egg.start", 10)
        await run_until_idle(loom, 5)
    await asyncio.sleep(60)
    loom = new_loom(Cook, data=folder)
    services = loom._services
    assert services.durable is not None
    here = services.timers.durable or Ringing(
        TimerBook(services.durable.backend), services.durable.journal, services
    )
    assert here.next_due_ms() is None
    assert not here.by_calendar
    async with loom:
        here.begin()
        await run_until_idle(loom, 1)
        assert rang(loom, "Cook") == ["10 late"]


@virtual_time
async def test_a_timer_can_be_cancelled_until_it_fires(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        beats = loom._services.cells["Cook"].beats
        probe = Probe(loom.bus, "moment")
        one, two = (Event("moment", n, topic="moment") for n in range(2))
        beats.add("after", 10, one)
        beats.add("at", NOW / 1000 + 20, two, "skip")
        assert beats.waits(one.id)
        assert beats.cancel(one.id)
        assert not beats.cancel(one.id)
        assert not beats.waits(one.id)
        await run_until_idle(loom, 30)
        assert probe.payloads == [1]
        assert not beats.waits(two.id)


@virtual_time
async def test_what_repeats_publishes_copies_until_it_is_cancelled(tmp_path: Path) -> None:
    async with durable(tmp_path / "a", Cook) as loom:
        beats = loom._services.cells["Cook"].beats
        probe = Probe(loom.bus, "moment")
        event = Event("moment", "m", topic="moment", metadata={"a": "b"})
        beats.add("every", 10, event)
        await run_until_idle(loom, 35)
        assert probe.count == 3
        assert len({e.id for e in probe.events}) == 3
        assert [e.timestamp_ms for e in probe.events] == [NOW + 10_000, NOW + 20_000, NOW + 30_000]
        loom._services.clock.advance(20)  # type: ignore[attr-defined]
        await run_until_idle(loom, 1)
        assert dict(probe.events[-1].metadata)["missed"] == "2"
        assert probe.events[-1].metadata["a"] == "b"
        beats.cancel(event.id)
        await run_until_idle(loom, 100)
        assert probe.count == 4


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
        assert TimerBook(_open(tmp_path / "a"))._shift == 9 * HOUR

    run(main(), clock=clock)


def _open(folder: Path) -> Any:
    from loom.store.sqlite import SqliteBackend

    return SqliteBackend(folder, read_only=True)


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
