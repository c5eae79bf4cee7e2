"""The contract net: one award at a time, only to who has bid, the best first, and every task comes to an end."""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from loom import Agent, Context, Event, Retry
from loom.errors import ConfigError
from loom.teams import Bid, Contractor, Manager, cheapest, contract_net
from loom.testing import Probe, new_loom, run, run_until_idle, virtual_time
from tests.teams.worlds import Flaky


class Robot(Contractor, team="clean", retry=Retry(attempts=2, base=0.01)):
    """Bids what it was told to; what it was told decides how its work ends."""

    price: float = 1.0
    bids: bool = True
    thinks: float = 0.0
    works: float = 0.1
    fails: int = 0
    done: list[str] = []

    async def offer(self, task: Any, ctx: Context) -> float | None:
        await asyncio.sleep(self.thinks)
        return self.price if self.bids else None

    async def work(self, task: Any, ctx: Context) -> Any:
        await asyncio.sleep(self.works)
        if self.fails:
            raise ValueError("stuck")
        self.done.append(task)
        return f"{task} by {ctx.agent}"


async def outcome(*robots: Any, tasks: int = 1, **options: Any) -> Any:
    """What a team publishes for some tasks: the probe, and the runtime it ran in."""
    loom = new_loom(contract_net("clean", deadline=1.0, report=10.0, **options))
    for number, robot in enumerate(robots):
        loom.add(robot, name=f"r{number}")
    async with loom:
        probe = Probe(loom.bus, "team.clean.*")
        for number in range(tasks):
            await loom.publish("team.clean.task", f"room {number}", id=f"t{number}")
        await run_until_idle(loom, 200)
        manager = loom.agent("clean-manager").instance
        assert manager.tasks == {}
        assert loom.statistics().timers == 0
        return probe, manager, loom


def said(probe: Probe, what: str) -> list[Any]:
    return [event.payload for event in probe.events if event.topic == f"team.clean.{what}"]


@virtual_time
async def test_the_best_bidder_does_the_task_and_reports() -> None:
    probe, _, loom = await outcome(Robot(price=3), Robot(price=1), Robot(price=2), Robot(bids=False))
    assert said(probe, "done") == [{"task": "t0", "bidder": "r1", "result": "room 0 by r1"}]
    assert [award["bidder"] for award in said(probe, "award")] == ["r1"]
    assert [len(loom.agent(f"r{n}").instance.done) for n in range(4)] == [0, 1, 0, 0]
    assert {bid["bidder"] for bid in said(probe, "bid")} == {"r0", "r1", "r2"}


@virtual_time
async def test_nobody_bids() -> None:
    probe, _, _ = await outcome(Robot(bids=False))
    assert said(probe, "failed") == [{"task": "t0", "reason": "nobody bid"}]


@virtual_time
async def test_a_bid_that_comes_late_is_counted_and_not_used() -> None:
    probe, manager, _ = await outcome(Robot(price=1, thinks=1.5), Robot(price=2, works=2))
    assert [award["bidder"] for award in said(probe, "award")] == ["r1"]
    assert manager.late == 1


@virtual_time
async def test_a_winner_that_fails_loses_the_task_to_the_next_best() -> None:
    probe, _, loom = await outcome(Robot(price=1, fails=1), Robot(price=2), Robot(price=3))
    assert [award["bidder"] for award in said(probe, "award")] == ["r0", "r1"]
    assert said(probe, "done") == [{"task": "t0", "bidder": "r1", "result": "room 0 by r1"}]
    assert len(loom.dead_letters) == 1


@virtual_time
async def test_when_all_have_failed_the_task_has() -> None:
    probe, _, _ = await outcome(Robot(price=1, fails=1), Robot(price=2, fails=1))
    assert said(probe, "failed") == [{"task": "t0", "reason": "r1: ValueError: stuck"}]


@virtual_time
async def test_a_winner_that_does_not_report_is_cancelled_and_the_next_gets_it() -> None:
    probe, _, loom = await outcome(Robot(price=1, works=100), Robot(price=2))
    assert said(probe, "done") == [{"task": "t0", "bidder": "r1", "result": "room 0 by r1"}]
    assert loom.agent("r0").instance.done == []
    assert len(said(probe, "report")) == 1


@virtual_time
async def test_the_rule_is_the_managers_and_may_leave_bidders_out() -> None:
    def dearest(bids: Any) -> list[Bid]:
        return [Bid("stranger", 0.0), *sorted((b for b in bids if b.value > 1), key=lambda b: -b.value)]

    probe, _, _ = await outcome(
        Robot(price=3, fails=1), Robot(price=1), Robot(price=2, fails=1), award=dearest
    )
    assert [award["bidder"] for award in said(probe, "award")] == ["r0", "r2"]
    assert said(probe, "failed") == [{"task": "t0", "reason": "r2: ValueError: stuck"}]


@virtual_time
async def test_open_tasks_are_bounded() -> None:
    probe, _, _ = await outcome(Robot(), tasks=5, limit=2)
    assert [len(said(probe, "done")), len(said(probe, "failed"))] == [2, 3]
    assert {failed["reason"] for failed in said(probe, "failed")} == {"2 tasks are open"}


@virtual_time
async def test_who_works_bids_too_late_and_the_other_gets_the_second_task() -> None:
    loom = new_loom(contract_net("clean", deadline=1.0))
    loom.add(Robot(price=1, works=30), name="r0").add(Robot(price=2), name="r1")
    async with loom:
        probe = Probe(loom.bus, "team.clean.*")
        for name in ("a", "b"):
            await loom.publish("team.clean.task", name)
            await run_until_idle(loom, 2) if name == "b" else await asyncio.sleep(2)
        await run_until_idle(loom, 100)
        assert [done["result"] for done in said(probe, "done")] == ["b by r1", "a by r0"]


@virtual_time
async def test_cancelling_the_scope_of_a_task_takes_its_award_down() -> None:
    loom = new_loom(contract_net("clean", deadline=1.0, report=10.0))
    loom.add(Robot(works=5), name="r0")
    async with loom:
        probe = Probe(loom.bus, "team.clean.*")
        await loom.publish("team.clean.task", "x", scope="turn-1")
        await asyncio.sleep(3)
        assert loom.cancel("turn-1") > 0
        await run_until_idle(loom, 100)
        assert [said(probe, what) for what in ("done", "failed", "report")] == [[], [], []]
        assert loom.agent("r0").instance.done == []
        assert loom.agent("clean-manager").instance.tasks == {}


@virtual_time
async def test_teams_do_not_hear_each_other() -> None:
    class Cook(Robot, team="cook"):
        pass

    loom = new_loom(contract_net("clean"), contract_net("cook"))
    loom.add(Robot(), name="robot").add(Cook(), name="cook")
    async with loom:
        probe = Probe(loom.bus, "team.*.done")
        await loom.publish("team.cook.task", "soup")
        await run_until_idle(loom, 100)
        assert probe.payloads[0]["result"] == "soup by cook"
        assert loom.agent("clean-manager").counts.failed == 0
        assert loom.agent("robot").instance.done == []


def test_equal_bids_go_to_the_first() -> None:
    bids = [Bid("b", 2.0), Bid("a", 2.0), Bid("c", 1.0)]
    assert [bid.bidder for bid in cheapest(bids)] == ["c", "b", "a"]


@pytest.mark.parametrize("wrong", [{"deadline": 0}, {"report": -1}, {"limit": 0}, {"team": "a.b"}])
def test_a_contract_net_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        contract_net(**{"team": "t", **wrong})


async def crowded(seed: int) -> None:
    """Many tasks, restless bidders, commits that are lost; then each task is judged by what was published."""
    chance = Random(seed)
    manager = type(
        "Patient", (contract_net("clean", deadline=1.0, report=5.0),), {}, retry=Retry(attempts=99, base=0.01)
    )
    loom = new_loom(manager, store=Flaky(chance))
    for number in range(4):
        robot = Robot(
            price=chance.randint(1, 3),
            bids=chance.random() < 0.8,
            thinks=chance.choice([0.0, 0.1, 0.9, 1.5]),
            works=chance.choice([0.0, 0.5, 4.0, 7.0]),
            fails=int(chance.random() < 0.3),
        )
        loom.add(robot, name=f"r{number}")
    async with loom:
        probe = Probe(loom.bus, "team.clean.*")
        for number in range(5):
            await loom.publish("team.clean.task", f"room {number}", id=f"t{number}")
            await asyncio.sleep(chance.random() * 2)
        await run_until_idle(loom, 1000)
        for number in range(5):
            judge([e for e in probe.events if e.type != "task" and e.payload["task"] == f"t{number}"])
        assert loom.agent("clean-manager").instance.tasks == {}


def judge(events: list[Event]) -> None:
    """One call, one end; awards only to who had bid until the deadline, each once, the best first."""
    kinds = Counter(event.type for event in events)
    assert (kinds["call"], kinds["done"] + kinds["failed"]) == (1, 1)
    first = next(n for n, e in enumerate(events) if e.type == "closed")
    bids = [(e.payload["value"], e.payload["bidder"]) for e in events[:first] if e.type == "bid"]
    awards = [e.payload["bidder"] for e in events if e.type == "award"]
    assert len(set(awards)) == len(awards)
    values = {bidder: value for value, bidder in bids}
    assert [values[bidder] for bidder in awards] == sorted(values[bidder] for bidder in awards)
    assert [e.payload["turn"] for e in events if e.type == "award"] == list(range(1, len(awards) + 1))
    for number, event in enumerate(events):
        if event.type == "award" and event.payload["turn"] > 1:  # the one before has failed, or had its time
            before = [e for e in events[:number] if e.payload.get("turn") == event.payload["turn"] - 1]
            assert any(e.type == "overdue" or (e.type == "report" and not e.payload["ok"]) for e in before)
    ends = [e for e in events if e.type in ("done", "failed")]
    assert events.index(ends[0]) > max((n for n, e in enumerate(events) if e.type == "award"), default=0)
    if ends[0].type == "done":
        assert ends[0].payload["bidder"] == awards[-1]
        reports = [e.payload for e in events if e.type == "report" and e.payload["ok"]]
        assert (awards[-1], len(awards)) in [(r["bidder"], r["turn"]) for r in reports]
    else:
        assert len(awards) == len(bids)


@pytest.mark.parametrize("block", range(3))
def test_each_task_is_awarded_one_at_a_time_and_never_to_who_did_not_bid(block: int) -> None:
    for seed in range(block * 15, block * 15 + 15):
        try:
            run(crowded(seed), seed=seed, turns=50_000)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def test_the_manager_is_an_agent_like_any_other() -> None:
    made = contract_net("clean")
    assert issubclass(made, Manager)
    assert issubclass(made, Agent)
