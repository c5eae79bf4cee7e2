"""The effect ledger: an act survives its process, and what nobody knows is not done again without asking."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, action, on
from loom.errors import StateError
from loom.event import QoS
from loom.store import Family
from loom.testing import Probe
from tests.agent.houses import House, evenings, lamp
from tests.agent.ledgers import Lives, lives

__all__ = ["lives"]


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
