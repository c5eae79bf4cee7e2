"""Durable timers in a runtime: set by steps, fired as inputs, over crashes, full disks and jumps of the clock."""

import asyncio
from pathlib import Path
from typing import Any

from loom import Agent, Event, on
from loom.agent._ringing import Ringing
from loom.agent._timer_book import TimerBook
from loom.errors import StoreFull
from loom.journal import Commit
from loom.store import Family
from loom.testing import Probe, new_loom, run_until_idle, virtual_time
from tests.agent.ringers import Clockwork, Cook, crash, durable, rang, ringing

NOW = 1_767_225_600_000  # midnight
HOUR = 3_600_000


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
