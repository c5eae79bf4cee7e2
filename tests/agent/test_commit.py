"""The commit goes through the Store: output waits for it, and a store that fails keeps nothing."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from loom import Agent, Context, Event, QoS, Retry, action, on
from loom.errors import StoreError
from loom.event import Confidentiality, Label
from loom.store import MemoryStore, StepCommit
from loom.testing import Probe, run_until_idle, virtual_time
from tests.agent.worlds import lawful, state


class SlowStore(MemoryStore):
    """Takes a second for each commit; fails those whose number is in *broken*."""

    __slots__ = ("batches", "broken", "calls")

    def __init__(self, broken: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.broken = broken
        self.calls = 0
        self.batches: list[StepCommit] = []

    def commit(self, batch: Sequence[StepCommit]) -> Awaitable[None]:  # type: ignore[override]
        self.calls += 1
        return self._later(self.calls, list(batch))

    async def _later(self, number: int, batch: list[StepCommit]) -> None:
        await asyncio.sleep(1)
        if number in self.broken:
            raise StoreError("the disk is full")
        self.batches += batch
        super().commit(batch)


class Counter(Agent, retry=Retry(base=1, jitter=0)):
    count: int = 0

    @on("go")
    async def go(self, event: Event, ctx: Context) -> None:
        self.count += 1
        ctx.publish("out", self.count)
        ctx.act("note", n=self.count)

    @on("stop", qos=QoS.REALTIME, interrupts=True)
    async def stop(self, event: Event) -> None: ...


def note_into(log: list[int]) -> Any:
    @action("note")
    def note(n: int) -> None:
        log.append(n)

    return note


@virtual_time(seeds=3)
async def test_nothing_leaves_before_the_commit_and_all_of_it_is_in_the_batch() -> None:
    log: list[int] = []
    store = SlowStore()
    async with lawful(note_into(log), Counter, store=store) as (loom, _):
        probe = Probe(loom.bus, "out")
        event = await loom.publish("go")
        await asyncio.sleep(0.5)
        assert (probe.events, log, store.load("Counter")) == ([], [], None)
        await run_until_idle(loom, 2)
        assert (probe.payloads, log) == ([1], [1])
        (step,) = store.batches
        assert step.agent == "Counter"
        assert dict(zip(step.fields, step.state, strict=True)) == {"count": 1}
        assert step.event is event
        assert [e.id for e in step.outbox] == [probe.events[0].id]
        assert [a.action.name for a in step.effects] == ["note"]


@virtual_time(seeds=3)
async def test_a_commit_that_fails_rolls_back_and_the_step_runs_again() -> None:
    log: list[int] = []
    store = SlowStore(broken=(2,))
    async with lawful(note_into(log), Counter, store=store) as (loom, law):
        probe = Probe(loom.bus, "out")
        for _ in range(3):
            await loom.publish("go")
        await run_until_idle(loom, 20)
        assert (probe.payloads, log) == ([1, 2, 3], [1, 2, 3])
        assert state(loom, "Counter").count == 3
        assert [o for a, t, o in law.steps if t == "go"] == ["committed", "failed", "committed", "committed"]


@virtual_time(seeds=5)
async def test_a_step_that_is_being_committed_is_neither_interrupted_nor_cancelled() -> None:
    log: list[int] = []
    store = SlowStore()
    async with lawful(note_into(log), Counter, store=store) as (loom, law):
        probe = Probe(loom.bus, "out")
        await loom.publish("go", scope="turn")
        await asyncio.sleep(0.5)
        await loom.publish("stop")
        loom.cancel("turn")
        await run_until_idle(loom, 10)
        assert state(loom, "Counter").count == 1, "kept by the store, so kept here"
        assert store.batches[0].state == (1,)
        assert (probe.payloads, log) == ([], []), "its output ends cancelled"
        assert [o for a, t, o in law.steps if t == "go"] == ["committed"]


@virtual_time
async def test_an_agent_begins_with_what_the_store_has_kept() -> None:
    store = MemoryStore()
    private = Label(Confidentiality.PRIVATE)
    store.commit([StepCommit("Counter", Event("go"), ("count",), (41,), private, (), ())])
    async with lawful(note_into([]), Counter, store=store) as (loom, _):
        await loom.publish("go")
        await run_until_idle(loom)
        assert state(loom, "Counter").count == 42
        assert loom.agent("Counter").label == private
