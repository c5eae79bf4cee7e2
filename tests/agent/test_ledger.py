"""The effect ledger: an act survives its process, and what nobody knows is not done again without asking."""

import asyncio
import itertools
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, action, on
from loom.errors import StateError
from loom.event import QoS
from loom.store import Family
from loom.testing import Probe
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]


def lamp(world: Lives, name: str = "lamp.set", seconds: float = 0.0, **options: Any) -> Any:
    """An action that writes down its argument and its key when it has worked for a while."""

    @action(name, **options)
    async def light(n: int, idempotency_key: str) -> int:
        world.do("begun", n)
        await asyncio.sleep(seconds)
        world.do(n, idempotency_key)
        return n * 10

    return light


class House(Agent):
    seen: list[int] = []

    @on("house.evening")
    async def evening(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload)
        ctx.act("lamp.set", n=event.payload)


async def evenings(loom: Loom, numbers: range = range(3)) -> None:
    for n in numbers:
        await loom.publish("house.evening", n)
    await loom.idle()


def test_an_act_has_a_row_from_its_intent_to_its_outcome(lives: Lives) -> None:
    lives.live(lamp(lives), House, story=evenings)
    rows = lives.rows()
    assert len(rows) == 3
    for key, row in rows.items():
        assert key == f"House/evening/{row['cause']}/1"
        assert row["status"] == "done"
        assert row["runs"] == 1
        assert (row["capability"], row["version"], row["agent"], row["kind"]) == (
            "lamp.set",
            "1",
            "House",
            "act",
        )
    assert [row["arguments"] for row in rows.values()] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert lives.rows(Family.OPEN) == {}
    assert lives.rows(Family.ENDED).keys() == rows.keys()
    causes = lives.rows(Family.CAUSES)
    assert all(any(key in cause for cause in causes) for key in rows)


@pytest.mark.parametrize("idempotent", [True, False])
def test_acts_that_had_not_begun_run_after_a_crash_in_their_order_with_their_keys(
    lives: Lives, idempotent: bool
) -> None:
    async def story(loom: Loom) -> None:
        for n in range(5):
            await loom.publish("house.evening", n)
        await asyncio.sleep(10)
        lives.die()

    slow = lamp(lives, seconds=1000, timeout=2000, idempotent=idempotent)
    lives.live(slow, House, story=story)
    assert lives.done == [("begun", 0)]
    assert set(lives.statuses()) == {"pending"} if idempotent else {"pending", "running"}

    async def answer(loom: Loom) -> None:
        asked = Probe(loom.bus, "loom.approval.requested")
        await asyncio.sleep(1)
        assert len(asked.events) == (0 if idempotent else 1)
        for question in asked.payloads:
            assert question["why"] == "outcome unknown: run again?"
            loom.approve(question["id"], by="ada")
        await loom.idle()

    lives.live(lamp(lives, idempotent=idempotent), House, story=answer)
    done = [what for what in lives.done if what[0] != "begun"]
    assert [n for n, _ in done] == [0, 1, 2, 3, 4]
    assert [key for _, key in done] == sorted(lives.rows())
    assert lives.rows(Family.OPEN) == {}
    if not idempotent:
        first = lives.rows()[done[0][1]]
        assert (first["runs"], first["status"]) == (2, "done")
        assert [(a["allow"], a["by"], a["why"]) for a in first["answers"]] == [
            (True, "ada", "outcome unknown")
        ]
    lives.live(lamp(lives), House)
    assert len([what for what in lives.done if what[0] != "begun"]) == 5, "what has ended stays ended"


def test_what_may_run_at_most_once_is_never_run_again(lives: Lives) -> None:
    async def story(loom: Loom) -> None:
        await loom.publish("house.evening", 7)
        await asyncio.sleep(10)
        lives.die()

    lives.live(lamp(lives, seconds=1000, timeout=2000, at_most_once=True), House, story=story)

    async def listen(loom: Loom) -> list[Any]:
        told = Probe(loom.bus, "loom.action.unknown")
        await loom.idle()
        await asyncio.sleep(1)
        return told.payloads

    told = lives.live(lamp(lives, at_most_once=True), House, story=listen)
    assert lives.done == [("begun", 7)]
    ((key, row),) = lives.rows().items()
    assert row["status"] == "unknown"
    assert row["outcome"].startswith("outcome unknown")
    assert [(t["key"], t["capability"], t["agent"]) for t in told] == [(key, "lamp.set", "House")]
    assert lives.rows(Family.OPEN) == {}


def test_silence_about_a_doubtful_effect_leaves_it_unknown(lives: Lives) -> None:
    async def story(loom: Loom) -> None:
        await loom.publish("house.evening", 7)
        await asyncio.sleep(10)
        lives.die()

    lives.live(lamp(lives, seconds=1000, timeout=2000), House, story=story)
    lives.live(lamp(lives), House, approval_timeout=60)
    (row,) = lives.rows().values()
    assert row["status"] == "unknown"
    assert "nobody approved it in time" in row["outcome"]
    assert lives.done == [("begun", 7)]


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


def test_an_argument_without_a_json_form_fails_the_step_and_is_named(lives: Lives) -> None:
    @action("show")
    def show(picture: object, n: int) -> None:
        lives.do("shown", n)

    class Painter(Agent):
        @on("paint")
        async def paint(self, event: Event, ctx: Context) -> None:
            ctx.act("show", n=1, picture=object())

        @on("paint.fast", qos=QoS.REALTIME)
        async def fast(self, event: Event, ctx: Context) -> None:
            ctx.act("show", n=2, picture=object())

    async def story(loom: Loom) -> list[Any]:
        await loom.publish("paint", 1)
        await loom.publish("paint.fast", 2)
        await loom.idle()
        return [(letter.reason, letter.error) for letter in loom.dead_letters]

    ((reason, error),) = lives.live(show, Painter, story=story)
    assert reason == "failed"
    assert error.startswith(f"{StateError.__name__}: argument 'picture' of action 'show' cannot be kept")
    assert lives.done == [("shown", 2)], "REALTIME acts need no JSON"
    (row,) = lives.rows().values()
    assert (row["realtime"], row["status"]) == (True, "done")
    assert row["arguments"]["picture"].startswith("<object object")


def test_arguments_come_back_by_their_annotations(lives: Lives) -> None:
    import enum
    from dataclasses import dataclass

    class Colour(enum.Enum):
        RED = "r"

    @dataclass
    class Place:
        room: str
        at: tuple[int, int]

    seen: list[Any] = []

    def made(begin: bool) -> Any:
        @action("put", idempotent=True, timeout=2000)
        async def put(colour: Colour, place: Place, raw: bytes, names: set[str]) -> None:
            if not begin:
                await asyncio.sleep(1000)
            seen.append((colour, place, raw, names))

        put.__loom_action__.schema["properties"].clear()
        put.__loom_action__.schema["additionalProperties"] = True
        put.__loom_action__.schema["required"].clear()
        return put

    class Mover(Agent):
        @on("move")
        async def move(self, event: Event, ctx: Context) -> None:
            ctx.act("put", colour=Colour.RED, place=Place("hall", (1, 2)), raw=b"\xff", names={"a", "b"})

    async def crash(loom: Loom) -> None:
        await loom.publish("move", 1)
        await asyncio.sleep(1)
        lives.die()

    lives.live(made(False), Mover, story=crash)
    lives.live(made(True), Mover)
    assert seen == [(Colour.RED, Place("hall", (1, 2)), b"\xff", {"a", "b"})]


def test_an_act_whose_scope_is_cancelled_ends_so(lives: Lives) -> None:
    async def story(loom: Loom) -> None:
        for n in range(2):
            await loom.publish("house.evening", n, scope="turn")
        await asyncio.sleep(1)
        loom.cancel("turn")
        await loom.idle()

    lives.live(lamp(lives, seconds=1000, timeout=2000), House, story=story)
    assert lives.statuses() == ["cancelled", "cancelled"]
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
    from loom.errors import StoreError

    for n in range(3):
        while True:
            try:
                await loom.publish("house.evening", n, id=f"evening-{n}")
                break
            except StoreError:
                await asyncio.sleep(0.1)
    await asyncio.sleep(60)
    await loom.idle()


def test_effects_that_have_ended_are_kept_so_long_and_so_many(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loom.agent import _ledger_retention as retention

    monkeypatch.setattr(retention, "KEEP", 10)
    monkeypatch.setattr(retention, "_CHUNK", 4)

    async def many(loom: Loom) -> None:
        for n in range(60):
            await loom.publish("house.evening", n)
            await loom.idle()

    lives.live(lamp(lives), House, story=many)
    rows = lives.rows()
    assert 10 <= len(rows) <= 15
    assert {row["arguments"]["n"] for row in rows.values()} == set(range(60 - len(rows), 60))
    assert lives.rows(Family.ENDED).keys() == rows.keys()
    acts = [cause for cause in lives.rows(Family.CAUSES) if "\\x00act\\x00" in cause]
    assert len(acts) == len(rows)
    monkeypatch.setattr(retention, "KEEP_MS", 3_600_000)
    lives.clock.advance(4000)

    async def old(loom: Loom) -> None:
        for n in range(100, 105):
            await evenings(loom, range(n, n + 1))

    lives.live(lamp(lives), House, story=old)
    assert {row["arguments"]["n"] for row in lives.rows().values()} == set(range(100, 105))


class Reflex(Agent):
    @on("touch", qos=QoS.REALTIME)
    async def touch(self, event: Event, ctx: Context) -> None:
        ctx.act("lamp.set", n=event.payload)
        await ctx.call("lamp.set", n=event.payload + 1)


def test_realtime_effects_wait_for_no_disk_and_are_noted_afterwards(lives: Lives) -> None:
    async def touch(loom: Loom) -> None:
        await loom.publish("touch", 1)
        while [n for n, _ in lives.done if n != "begun"] != [2, 1]:
            await asyncio.sleep(0.001)

    lives.live(lamp(lives), Reflex, story=touch, at=1, times=1_000_000)
    lives.done.clear()
    lives.live(lamp(lives), Reflex, story=touch)
    assert lives.statuses() == ["done", "done"]
    assert all(row["realtime"] and row["seq"] == 0 for row in lives.rows().values())
    assert lives.rows(Family.OPEN) == {}
    assert len(lives.rows(Family.ENDED)) == 2


def test_a_realtime_effect_that_was_running_is_not_run_again(lives: Lives) -> None:
    async def touch(loom: Loom) -> None:
        await loom.publish("touch", 1)
        await asyncio.sleep(10)
        lives.die()

    lives.live(lamp(lives, seconds=1000, timeout=2000, idempotent=True), Reflex, story=touch)
    lives.done.clear()
    lives.live(lamp(lives), Reflex)
    assert lives.done == []
    assert lives.rows(Family.OPEN) == {}


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
