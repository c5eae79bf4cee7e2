"""The barrier: a round ends once, when all have arrived or the time is over, and the next one begins."""

import asyncio
from random import Random
from typing import Any

import pytest

from loom import Agent, Context, Event, Retry, on
from loom.errors import ConfigError
from loom.teams import barrier
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time
from tests.teams.worlds import Flaky


@virtual_time
async def test_it_opens_when_all_have_arrived_and_only_then() -> None:
    async with new_loom(barrier("start", parties=3)) as loom:
        probe = Probe(loom.bus, "team.start.open")
        for party in ("a", "b", "a"):
            await loom.publish("team.start.arrive", {"party": party})
        await run_until_idle(loom, 1000)
        assert probe.events == []
        assert loom.agent("start-barrier").instance.ignored == 1
        await loom.publish("team.start.arrive", {"party": "c"})
        await run_until_idle(loom)
        assert probe.payloads == [{"round": 1, "parties": ["a", "b", "c"]}]


@virtual_time
async def test_the_next_round_begins_where_the_last_one_ended() -> None:
    async with new_loom(barrier("start", parties=2)) as loom:
        probe = Probe(loom.bus, "team.start.open")
        for party, turn in [("a", 1), ("b", 1), ("b", 1), ("b", 2), ("a", 3), ("a", 2)]:
            await loom.publish("team.start.arrive", {"party": party, "round": turn})
        await run_until_idle(loom)
        assert probe.payloads == [{"round": 1, "parties": ["a", "b"]}, {"round": 2, "parties": ["b", "a"]}]
        assert loom.agent("start-barrier").instance.ignored == 2


@virtual_time
async def test_a_round_that_is_not_complete_in_time_is_broken_and_its_timer_ends_no_other() -> None:
    async with new_loom(barrier("start", parties=2, timeout=10)) as loom:
        probe = Probe(loom.bus, "team.start.*")
        await loom.publish("team.start.arrive", {"party": "a"})
        await run_until_idle(loom, 11)
        assert (probe.topics[-1], probe.payloads[-1]) == ("team.start.broken", {"round": 1, "parties": ["a"]})
        await loom.publish("team.start.arrive", {"party": "a"})
        await run_until_idle(loom, 5)
        await loom.publish("team.start.arrive", {"party": "b"})
        await run_until_idle(loom)
        assert (probe.topics[-1], probe.payloads[-1]) == (
            "team.start.open",
            {"round": 2, "parties": ["a", "b"]},
        )
        assert loom.statistics().timers == 0
        await loom.publish("team.start.arrive", {"party": "a"})
        await run_until_idle(loom, 6)  # when the timer of round 2 would have rung
        await loom.publish("team.start.overdue", {"round": 2})  # or has, and stood in line meanwhile
        await run_until_idle(loom)
        assert probe.topics.count("team.start.broken") == 1


@virtual_time
async def test_an_agent_arrives_under_its_own_name() -> None:
    @on("go")
    async def runner(event: Event, ctx: Context) -> None:
        ctx.publish("team.start.arrive")

    loom = new_loom(barrier("start", parties=2)).add(runner, name="one").add(runner, name="two")
    async with loom:
        probe = Probe(loom.bus, "team.start.open")
        await loom.publish("go")
        await run_until_idle(loom)
        assert sorted(probe.payloads[0]["parties"]) == ["one", "two"]


@pytest.mark.parametrize(
    "wrong", [{"parties": 0}, {"parties": 1, "timeout": 0}, {"parties": 1, "name": "a b"}]
)
def test_a_barrier_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        barrier(**{"name": "b", **wrong})


PATIENT = Retry(attempts=99, base=0.01)


class Runner(Agent, retry=PATIENT):
    """Arrives, goes on when it opens, and arrives again, five times."""

    laps: int = 0

    async def _arrive(self, ctx: Context) -> None:
        await asyncio.sleep(ctx.random.random())
        for _ in range(ctx.random.randint(1, 2)):  # some say it twice
            ctx.publish("team.lap.arrive", {"party": ctx.agent, "round": self.laps + 1})

    @on("begin")
    async def begin(self, event: Event, ctx: Context) -> None:
        await self._arrive(ctx)

    @on("team.lap.open")
    async def opened(self, event: Event, ctx: Context) -> None:
        assert event.payload["round"] == self.laps + 1
        self.laps += 1
        if self.laps < 5:
            await self._arrive(ctx)


async def race(seed: int) -> None:
    made = type("Patient", (barrier("lap", parties=4, timeout=1000),), {}, retry=PATIENT)
    loom = new_loom(made, store=Flaky(Random(seed)))
    for number in range(4):
        loom.add(Runner(), name=f"r{number}")
    async with loom:
        probe = Probe(loom.bus, "team.lap.*")
        await loom.publish("begin")
        await run_until_idle(loom, 500)
        assert [e.payload["round"] for e in probe.events if e.type == "open"] == [1, 2, 3, 4, 5]
        assert {len(e.payload["parties"]) for e in probe.events if e.type == "open"} == {4}
        for number, event in enumerate(probe.events):
            if event.type == "open":  # nobody went on before all had arrived
                there = {e.payload["party"] for e in probe.events[:number]
                         if e.type == "arrive" and e.payload["round"] == event.payload["round"]}  # fmt: skip
                assert len(there) == 4
        assert loom.statistics().timers == 0
        assert loom.dead_letters == []


def test_each_round_opens_once_whatever_the_interleaving() -> None:
    for seed in range(30):
        try:
            run(race(seed), seed=seed, turns=50_000)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
