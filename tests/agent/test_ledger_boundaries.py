"""Any write of a run of all kinds of effects may be the last one, or fail: none is lost, none done twice unasked."""

import asyncio
from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent, Context, Event, Loom, Retry, action, on
from loom.errors import StoreError
from loom.event import QoS
from loom.store import Family
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]
Kind = Literal["idempotent", "asked", "once"]
KINDS: tuple[Kind, ...] = ("idempotent", "asked", "once")
OPTIONS: dict[Kind, dict[str, Any]] = {
    "idempotent": {"idempotent": True},
    "asked": {},
    "once": {"at_most_once": True},
}


def deed(world: Lives, kind: Kind) -> Any:
    """An action that takes a moment; ``begun`` is when it may have happened."""

    @action(f"do.{kind}", **OPTIONS[kind])
    async def do(n: int, idempotency_key: str) -> int:
        world.do("begun", kind, idempotency_key)
        await asyncio.sleep(0.02)
        world.do("done", kind, idempotency_key)
        return n

    return do


class Worker(Agent, retry=Retry(attempts=3, base=0.01)):
    total: int = 0
    acted: int = 0

    @on("work.act")
    async def act(self, event: Event, ctx: Context) -> None:
        self.acted += 1
        for name in ("do.idempotent", "do.asked", "do.once"):
            ctx.act(name, n=event.payload)

    @on("work.call", qos=QoS.BACKGROUND)
    async def call(self, event: Event, ctx: Context) -> None:
        first = await ctx.call("do.idempotent", n=event.payload)
        ctx.act("do.idempotent", n=event.payload)
        self.total += first + await ctx.call("do.asked", n=event.payload)


COUNT = 3


async def work(loom: Loom) -> tuple[int, int]:
    for n in range(1, COUNT + 1):
        for topic in ("work.act", "work.call"):
            while True:
                try:
                    await loom.publish(topic, n, id=f"{topic}-{n}")
                    break
                except StoreError:
                    await asyncio.sleep(0.05)
    await asyncio.sleep(12)
    await loom.idle()
    worker: Any = loom.agent("Worker").instance
    return worker.acted, worker.total


class Trial:
    """Lives in which one write is the last, until one of them tells the whole story."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives
        self.things = [*(deed(lives, kind) for kind in KINDS), Worker]

    def play(self, deaths: list[tuple[int, Any]]) -> tuple[int, int]:
        """Die so often and there, then live to the end, everything doubtful refused."""
        for at, dies in [*deaths, (0, None)]:
            told = self.lives.live(*self.things, story=work, at=at, dies=dies, approval_timeout=5)
            if at == 0 or told is not None:
                break
        found: tuple[int, int] = told
        return found

    def judge(self, told: tuple[int, int], died: bool) -> list[str]:
        """Everything that is wrong."""
        rows, wrong = self.lives.rows(), []
        begun = Counter(what[2] for what in self.lives.done if what[0] == "begun")
        done = {what[2] for what in self.lives.done if what[0] == "done"}
        if self.lives.rows(Family.OPEN) or self.lives.rows(Family.RECORDS):
            wrong.append("something was left open")
        if told[0] != COUNT:
            wrong.append(f"{told[0]} steps are in the state, not {COUNT}")
        for key, row in rows.items():
            name, status = row["capability"], row["status"]
            if status not in ("done", "unknown") or (not died and status == "unknown"):
                wrong.append(f"{key} of {name} ended {status}")
            if name == "do.idempotent" and key not in done:
                wrong.append(f"{key} was not done")
            if name != "do.idempotent" and begun[key] > 1:
                wrong.append(f"{key} of {name} began {begun[key]} times")
            if status == "done" and key not in done:
                wrong.append(f"{key} is said to be done")
            if status == "unknown" and name == "do.idempotent":
                wrong.append(f"{key} need not be unknown")
        wrong += [f"{key} was done and has no row" for key in begun if key not in rows]
        acts = sum(row["kind"] == "act" and "/act/" in key for key, row in rows.items())
        if acts != COUNT * len(KINDS):
            wrong.append(f"{acts} acts are in the ledger")
        return wrong


def test_nothing_is_wrong_when_nothing_fails(lives: Lives) -> None:
    trial = Trial(lives)
    told = trial.play([])
    assert told == (COUNT, 2 * sum(range(1, COUNT + 1)))
    assert trial.judge(told, died=False) == []


@pytest.mark.parametrize("dies", ["before", "after"])
def test_any_write_may_be_the_last_one(lives: Lives, dies: Any) -> None:
    folder, at = lives.folder, 0
    while True:
        at += 1
        lives.folder = folder.parent / f"{at}"
        lives.done.clear()
        trial = Trial(lives)
        told = trial.play([(at, dies)])
        assert trial.judge(told, died=True) == [], f"write {at}"
        if lives.faulty is not None and lives.faulty.at:  # it lived to tell: there is no such write
            break
    assert at > 10


def test_any_write_may_fail(lives: Lives) -> None:
    folder, at = lives.folder, 0
    while True:
        at += 1
        lives.folder = folder.parent / f"{at}"
        lives.done.clear()
        trial = Trial(lives)
        told = trial.play([(at, None)])
        assert trial.judge(told, died=False) == [], f"write {at}"
        assert lives.faulty is not None
        if lives.faulty.writes < at:
            break
    assert at > 10


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    deaths=st.lists(
        st.tuples(st.integers(1, 25), st.sampled_from(["before", "after"])), min_size=1, max_size=4
    )
)
def test_several_lives_may_end_anywhere(lives: Lives, deaths: list[tuple[int, Any]]) -> None:
    lives.folder = lives.folder.parent / f"{len(list(lives.folder.parent.iterdir()))}"
    lives.done.clear()
    trial = Trial(lives)
    told = trial.play(deaths)
    assert trial.judge(told, died=True) == []
