"""What an earlier process left open: run in order, within bounds, by what is provided and granted now."""

import asyncio
import itertools
from typing import Any

from loom import Agent, Context, Event, Loom, on
from loom.errors import StoreError
from loom.store import Family
from loom.testing import Probe
from tests.agent.houses import House, evenings, lamp
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]


def test_a_capability_that_is_gone_or_has_another_version_leaves_its_effects_open(lives: Lives) -> None:
    async def listen(loom: Loom) -> list[Any]:
        told = Probe(loom.bus, "loom.action.unresolved")
        await asyncio.sleep(1)
        return told.payloads

    async def crash(loom: Loom) -> None:
        await loom.publish("house.evening", 0)
        await loom.publish("house.evening", 1)
        await asyncio.sleep(1)
        lives.die()

    lives.live(lamp(lives, idempotent=True, seconds=1000, timeout=2000), House, story=crash)
    open_before = lives.rows(Family.OPEN)
    assert open_before

    class Nobody(Agent):
        pass

    assert [t["why"] for t in lives.live(Nobody, story=listen)] == [
        "nobody provides this capability any more"
    ] * len(open_before)
    why = "version 1 was meant and 2 is there"
    assert [t["why"] for t in lives.live(lamp(lives, version="2"), story=listen)] == [why] * len(open_before)
    assert lives.rows(Family.OPEN) == open_before

    async def late(loom: Loom) -> None:
        await asyncio.sleep(1)
        loom.add(lamp(lives, idempotent=True))
        await asyncio.sleep(1)
        await loom.idle()

    lives.done.clear()
    lives.live(lamp(lives, version="2"), story=late)
    assert lives.rows(Family.OPEN) == {}
    assert {what[1] for what in lives.done if what[0] != "begun"} == open_before.keys()


def test_recovered_effects_go_through_the_bounded_executor_in_their_order_and_before_new_ones(
    lives: Lives,
) -> None:
    async def story(loom: Loom) -> None:
        for n in range(40):
            await loom.publish("house.evening", n)
        await asyncio.sleep(1)
        lives.die()

    lives.live(lamp(lives, idempotent=True, seconds=1000, timeout=2000), House, story=story)
    assert len(lives.rows(Family.OPEN)) == 40
    most = 0

    async def watch(loom: Loom) -> None:
        nonlocal most
        executor = loom._services.executor
        while loom._services.executor.busy or len(lives.done) < 3:
            most = max(most, executor.pending)
            await asyncio.sleep(0.05)

    async def again(loom: Loom) -> None:
        loom._services.executor.capacity = 4
        watching = asyncio.ensure_future(watch(loom))
        for n in range(40, 50):
            await loom.publish("house.evening", n)
        await loom.idle()
        await watching

    lives.done.clear()
    lives.live(lamp(lives, idempotent=True, seconds=0.1), House, story=again)
    assert [n for n, _ in lives.done if n != "begun"] == list(range(50))
    assert 1 <= most <= 4
    assert lives.rows(Family.OPEN) == {}


def test_a_store_that_is_full_delays_effects_and_loses_none(lives: Lives) -> None:
    for at in itertools.count(1):
        lives.folder = lives.folder.parent / f"full{at}"
        lives.done.clear()
        lives.live(lamp(lives), House, story=full, at=at, times=3)
        assert lives.faulty is not None
        assert [n for n, _ in lives.done if n != "begun"] == [0, 1, 2], at
        assert lives.statuses() == ["done"] * 3, at
        assert lives.rows(Family.OPEN) == {}, at
        if lives.faulty.writes < at:
            break


async def full(loom: Loom) -> None:

    for n in range(3):
        while True:
            try:
                await loom.publish("house.evening", n, id=f"evening-{n}")
                break
            except StoreError:
                await asyncio.sleep(0.1)
    await asyncio.sleep(60)
    await loom.idle()


def test_an_act_that_is_in_the_ledger_is_not_run_again_when_its_event_comes_again(lives: Lives) -> None:
    async def again(loom: Loom) -> None:
        """The event that was handled is handed to the agent once more, as for another handler's dead letter."""
        journal = loom._durable.journal  # type: ignore[union-attr]
        event = journal.event(1)
        assert event is not None
        (queue,) = loom.agent("House").queues()
        queue._accept(event)
        await loom.idle()
        assert loom.agent("House").instance.seen == [0, 0]

    lives.live(lamp(lives), House, story=lambda loom: evenings(loom, range(1)))
    before = lives.rows()
    lives.live(lamp(lives), House, story=again)
    assert len([what for what in lives.done if what[0] == "begun"]) == 1
    assert lives.rows() == before


def test_a_runtime_that_is_stopped_leaves_what_had_not_run_for_the_next(lives: Lives) -> None:
    async def stop(loom: Loom) -> None:
        for n in range(3):
            await loom.publish("house.evening", n)
        await asyncio.sleep(1)
        await loom.stop(timeout=1)

    lives.live(lamp(lives, idempotent=True, seconds=1000, timeout=2000), House, story=stop)
    assert lives.statuses() == ["pending"] * 3
    lives.live(lamp(lives, idempotent=True), House)
    assert lives.statuses() == ["done"] * 3


def test_grants_that_were_taken_away_hold_for_what_is_still_open(lives: Lives) -> None:
    async def crash(loom: Loom) -> None:
        await loom.publish("house.evening", 1)
        await asyncio.sleep(1)
        lives.die()

    lives.live(lamp(lives, seconds=1000, timeout=2000, idempotent=True), House, story=crash)
    lives.done.clear()
    lives.grants = ["tts.*"]
    lives.live(lamp(lives, idempotent=True), House)
    assert lives.done == []
    assert lives.statuses() == ["denied"]


def test_instances_of_keyed_agents_have_effects_and_records_of_their_own(lives: Lives) -> None:
    class Room(Agent, key="metadata.room"):
        lamps: int = 0

        @on("dusk")
        async def dusk(self, event: Event, ctx: Context) -> None:
            self.lamps += await ctx.call("lamp.set", n=1)
            ctx.act("lamp.set", n=2)
            if lives.number == 1:
                await asyncio.sleep(1000)

    async def dusk(loom: Loom) -> None:
        for room in ("hall", "attic"):
            await loom.publish("dusk", metadata={"room": room})
        await asyncio.sleep(10)
        lives.die()

    lives.live(lamp(lives), Room, story=dusk)
    assert [n for n, _ in lives.done if n != "begun"] == [1, 1]
    assert len(lives.rows(Family.RECORDS)) == 2
    lives.live(lamp(lives), Room)
    assert sorted(n for n, _ in lives.done if n != "begun") == [1, 1, 2, 2]
    assert len({row["agent"] for row in lives.rows().values()}) == 2
    assert lives.statuses() == ["done"] * 4
    assert lives.rows(Family.RECORDS) == {}
