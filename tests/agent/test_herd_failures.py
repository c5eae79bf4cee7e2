"""Keyed agents when something fails: commits, kept states, keys, instances, scopes; the law of their queues."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, QoS, on
from loom.agent._supervision import Restart, Retry
from loom.errors import ConfigError
from loom.store import Family
from loom.testing import new_loom, run_until_idle, virtual_time
from tests.agent.rooms import Room, awake, lawful, say, states
from tests.journal.disks import Disk, disk, life, of_steps, turns

__all__ = ["disk"]


@virtual_time(seeds=4)
async def test_failed_commits_and_crashes_leave_everything_done_once(disk: Disk) -> None:
    disk = disk.image()
    images = []
    async with life(disk, Room) as loom:
        disk.doomed = lambda puts: of_steps(puts) and disk.writes % 3 == 0
        for number in range(40):
            await say(loom, f"r{number % 5}", number)
            if number % 8 == 7:
                images.append((number + 1, disk.image()))
        disk.doomed = lambda puts: False
        await run_until_idle(loom, 60)
        lawful(loom)
        images.append((40, disk.image()))
    for published, image in images:
        wanted = {f"r{k}": [n for n in range(published) if n % 5 == k] for k in range(5)}
        assert await states(image, Room, wanted) == wanted


@virtual_time
async def test_an_event_without_a_key_is_a_dead_letter_and_settled(disk: Disk) -> None:
    async with life(disk, Room) as loom:
        for room in (None, "a", "", "\0", "\ud800", "x" * 600):
            await say(loom, room, 0)
        await loom.idle()
        assert [letter.reason for letter in loom.dead_letters] == ["no_key"] * 5
        assert awake(loom) == ["a"]
        lawful(loom)
    async with life(disk, Room) as loom:
        await loom.idle()
        assert loom.dead_letters == []


@virtual_time
async def test_a_key_function_that_fails_is_a_dead_letter_too() -> None:
    class Room(Agent, key=lambda event: event.payload["room"]):
        @on("n")
        async def take(self, event: Event, ctx: Context) -> None: ...

    async with new_loom(Room) as loom:
        for payload in (None, {"room": 3}, {"room": 1.5}, {"room": True}, {}):
            await loom.publish("n", payload)
        await loom.idle()
        assert awake(loom) == ["3"]
        assert [letter.reason for letter in loom.dead_letters] == ["no_key"] * 4
        lawful(loom)


@virtual_time
async def test_a_kept_state_that_cannot_be_used_concerns_nobody_else(disk: Disk) -> None:
    async with life(disk, Room) as loom:
        for room in "abc":
            await say(loom, room, 1)
        await loom.idle()
    disk.kept[Family.STATES][b"Room/b"] = b"garbage"
    async with life(disk, Room) as loom:
        for room in "abc":
            await say(loom, room, 2)
        await loom.idle()
        assert [(letter.reason, letter.event.metadata["room"]) for letter in loom.dead_letters] == [
            ("no_instance", "b")
        ]
        assert "loom store verify" in loom.dead_letters[0].error
        disk.blind = True
        await say(loom, "d", 3)
        await asyncio.sleep(5)
        assert "d" not in awake(loom)
        disk.blind = False
        await run_until_idle(loom, 3)
        assert "d" in awake(loom)
        lawful(loom)


@virtual_time
async def test_a_failing_instance_restarts_alone(disk: Disk) -> None:
    class Fails(
        Agent,
        name="Room",
        key="metadata.room",
        retry=Retry(attempts=1),
        restart=Restart(failures=2, restarts=1),
    ):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if event.metadata["room"] == "bad":
                raise ValueError("no")
            self.seen.append(event.payload)

    async with life(disk, Fails) as loom:
        for number in range(30):
            await say(loom, "bad" if number % 3 == 0 else f"r{number % 2}", number)
            await asyncio.sleep(0.2)
        await asyncio.sleep(30)
        assert loom._cells["Room/bad"].status == "parked"
        assert all(loom._cells[f"Room/r{k}"].status == "running" for k in (0, 1))
        good = [loom._cells[f"Room/r{k}"].instance.seen for k in (0, 1)]  # type: ignore[attr-defined]
        assert sorted(good[0] + good[1]) == [n for n in range(30) if n % 3]
        lawful(loom)


@virtual_time
async def test_one_key_that_takes_for_ever_makes_no_long_position_row(disk: Disk) -> None:
    class Slow(Agent, name="Room", key="metadata.room", awake=10):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            if event.metadata["room"] == "stuck":
                await asyncio.sleep(3600)
            self.seen.append(event.payload)

    async with life(disk, Slow, drain=1) as loom:
        await say(loom, "stuck", -1)
        for number in range(300):
            await say(loom, f"r{number % 3}", number)
        await asyncio.sleep(1)
        row = disk.kept[Family.POSITIONS][b"Room.take"]
        assert len(row) < 30
        lawful(loom)

    class Room(Slow, name="Room", key="metadata.room"):
        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.seen.append(event.payload)

    wanted = {f"r{k}": [n for n in range(300) if n % 3 == k] for k in range(3)}
    assert await states(disk, Room, [*wanted, "stuck"]) == {**wanted, "stuck": [-1]}


@virtual_time
async def test_a_cancelled_scope_ends_what_waits_in_mailboxes_and_before_them(disk: Disk) -> None:
    class Slow(Agent, name="Room", key="metadata.room", awake=1):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(1)
            self.seen.append(event.payload)

    async with life(disk, Slow, drain=60) as loom:
        for number in range(6):
            await say(loom, "ab"[number // 3], number, scope="s" if number % 2 else None)
        await asyncio.sleep(0.5)
        loom.cancel("s")
        await loom.idle()
        lawful(loom)
        queue = next(q for q in loom.bus.queues() if q.name == "Room.take").statistics()
        assert (queue.delivered, queue.cancelled) == (3, 3)

    class Room(Slow, name="Room", key="metadata.room"): ...

    assert await states(disk, Room, "ab") == {"a": [0, 2], "b": [4]}


@virtual_time(seeds=3)
async def test_realtime_of_a_herd_sheds_and_its_counts_add_up() -> None:
    class Fast(Agent, name="Room", key="metadata.room", awake=2):
        seen: list[Any] = []

        @on("now", qos=QoS.REALTIME, capacity=4)
        async def now(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.05)
            self.seen.append(event.payload)

        @on("latest", qos=QoS.REALTIME, capacity=4, overflow="latest")
        async def latest(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.05)

    async with new_loom(Fast) as loom:
        for number in range(200):
            deadline = loom.clock.now_ms() + 200 if number % 5 == 0 else None
            await say(loom, f"r{number % 4}", number, "now" if number % 2 else "latest", deadline_ms=deadline)
            lawful(loom)
            if number % 10 == 0:
                await asyncio.sleep(0.03)
        await run_until_idle(loom, 10)
        lawful(loom)
        counts = {q.name: q.statistics() for q in loom.bus.queues()}
        assert counts["Room.now"].dropped > 0
        assert counts["Room.latest"].merged > 0
        assert all(q.in_flight == 0 for q in counts.values())


@virtual_time
async def test_the_law_holds_at_every_turn_with_failures_of_every_kind(disk: Disk) -> None:
    class Mixed(Agent, name="Room", key="metadata.room", awake=2, retry=Retry(attempts=2, base=0.05)):
        seen: list[Any] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(0.01 * (event.payload % 3))
            if event.payload % 11 == 0:
                raise ValueError("no")
            self.seen.append(event.payload)

        @on("now", qos=QoS.REALTIME, interrupts=True)
        async def now(self, event: Event, ctx: Context) -> None: ...

    async with life(disk, Mixed, drain=60) as loom:
        disk.doomed = lambda puts: of_steps(puts) and disk.writes % 4 == 0
        for number in range(80):
            await say(loom, f"r{number % 5}", number, scope=f"s{number}" if number % 13 == 0 else None)
            if number % 6 == 0:
                await say(loom, f"r{number % 4}", number, "now")
            if number % 20 == 0:
                loom.cancel(f"s{number - 7}")
            lawful(loom)
            await turns(number % 7)
        disk.doomed = lambda puts: False
        await run_until_idle(loom, 60)
        lawful(loom)
        queue = next(q for q in loom.bus.queues() if q.name == "Room.take").statistics()
        assert (queue.queued, queue.in_flight) == (0, 0)
        assert queue.delivered + queue.cancelled == 80


def test_a_keyed_agent_has_no_beat_and_a_key_that_leads_somewhere() -> None:
    class Odd(Agent, key="nowhere.at.all"):
        @on("n")
        async def take(self, event: Event, ctx: Context) -> None: ...

    with pytest.raises(ConfigError, match="leads nowhere"):
        Loom().add(Odd)


class Fragile(
    Agent, key="metadata.room", awake=2, retry=Retry(attempts=1), restart=Restart(failures=1, restarts=0)
):
    """Fails for the rooms called bad, at once and for good."""

    seen: int = 0

    @on("n")
    async def take(self, event: Event, ctx: Context) -> None:
        if event.metadata["room"].startswith("bad"):
            raise ValueError("never works here")
        self.seen += 1


@virtual_time
async def test_parked_instances_hold_up_no_others_whatever_they_are_sent() -> None:
    async with new_loom() as loom:
        loom.add(Fragile)
        for n in range(100):
            for room in ("bad1", "bad2", "good1", "good2"):
                await loom.publish("n", n, metadata={"room": room})
            await run_until_idle(loom)
        assert {loom._cells[f"Fragile/bad{i}"].status for i in (1, 2)} == {"parked"}
        reasons = [letter.reason for letter in loom.dead_letters]
        assert set(reasons) == {"failed", "parked"}
        assert reasons.count("parked") == 2 * (100 - 1 - 64)
        herd: Any = loom._cells["Fragile"]
        assert herd.queues()[0].delivered == 2 * 100 + len(reasons)
        lawful(loom)
