"""The journal as a whole: a short world that dies, or whose disk fails, at any write, ends as if nothing had."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, on
from loom.agent._supervision import Retry
from loom.errors import StoreError
from loom.store import Family
from loom.store.families import unnumber
from loom.testing import run_until_idle, virtual_time
from tests.journal.disks import Disk, disk, life, of_steps, turns

__all__ = ["disk"]
COUNT = 14
LONG = "a long text that is kept once " * 20


class Doubler(Agent, retry=Retry(attempts=3, base=0.05)):
    """Says everything twice as loud; fails at every fifth at first."""

    seen: list[int] = []
    _tried: set[str] = set()

    @on("n.odd")
    async def odd(self, event: Event, ctx: Context) -> None:
        await self.both(event, ctx)

    @on("n.even")
    async def even(self, event: Event, ctx: Context) -> None:
        await self.both(event, ctx)

    async def both(self, event: Event, ctx: Context) -> None:
        if event.payload % 5 == 4 and event.id not in Doubler._tried:
            Doubler._tried.add(event.id)
            raise ValueError("not at once")
        self.seen.append(event.payload)
        ctx.publish("m", {"n": event.payload * 2, "text": LONG}, metadata={"room": f"r{event.payload % 3}"})


class Sink(Agent):
    """Collects what the other says."""

    seen: list[int] = []
    text: str = ""

    @on("m")
    async def take(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload["n"])
        self.text = event.payload["text"]


class Room(Agent, key="metadata.room", awake=2):
    """Collects by room, and says when."""

    seen: list[int] = []

    @on("m")
    async def take(self, event: Event, ctx: Context) -> None:
        self.seen.append(event.payload["n"])
        ctx.publish("heard", [event.metadata["room"], list(self.seen)])


class Ears(Agent):
    """The last that each room said."""

    rooms: dict[str, list[int]] = {}
    count: int = 0

    @on("heard")
    async def take(self, event: Event, ctx: Context) -> None:
        room, seen = event.payload
        self.rooms[room] = seen
        self.count += 1


WORLD = (Doubler, Sink, Room, Ears)


def outcome(loom: Loom) -> dict[str, Any]:
    """What the agents know in the end."""
    found: dict[str, Any] = {name: loom.agent(name).instance for name in ("Doubler", "Sink", "Ears")}
    return {
        "doubled": found["Doubler"].seen, "sunk": found["Sink"].seen, "text": found["Sink"].text,
        "rooms": dict(sorted(found["Ears"].rooms.items())), "heard": found["Ears"].count,
    }  # fmt: skip


def wanted() -> dict[str, Any]:
    return {
        "doubled": list(range(COUNT)),
        "sunk": [2 * n for n in range(COUNT)],
        "text": LONG,
        "rooms": {f"r{k}": [2 * n for n in range(COUNT) if n % 3 == k] for k in range(3)},
        "heard": COUNT,
    }


async def publish_all(loom: Loom) -> None:
    """One sequential publisher; what is not acknowledged is published again."""
    for n in range(COUNT):
        while True:
            try:
                await loom.publish("n.odd" if n % 2 else "n.even", n, id=f"e{n}")
            except StoreError:
                continue
            break


async def play(disk: Disk) -> dict[str, Any]:
    """One life that publishes everything (what is there already is kept once) and comes to rest."""
    async with life(disk, *WORLD) as loom:
        await publish_all(loom)
        await run_until_idle(loom, 30)
        for queue in loom.bus.queues():
            assert queue.statistics().balanced()
        return outcome(loom)


@virtual_time
async def test_a_process_that_dies_at_any_write_leaves_everything_done_once(disk: Disk) -> None:
    images: list[Disk] = []
    write = disk.write

    def photographed(puts: Any, sync: bool = True) -> None:
        images.append(disk.image())
        write(puts, sync)

    disk.write = photographed  # type: ignore[method-assign]
    assert await play(disk) == wanted()
    assert len(images) > 12
    for number, image in enumerate(images):
        Doubler._tried.clear()
        assert await play(image) == wanted(), f"died before write {number + 1}"
        assert image.count(Family.IDS) == image.count(Family.JOURNAL)


@virtual_time
async def test_a_disk_that_fails_at_any_write_changes_nothing_in_the_end(disk: Disk) -> None:
    assert await play(disk) == wanted()
    for failing in range(1, disk.writes + 1):
        Doubler._tried.clear()
        again = Disk()
        again.refuse = lambda n, failing=failing: n in (failing, failing + 1)  # type: ignore[misc]
        assert await play(again) == wanted(), f"write {failing} failed"
        async with life(again, *WORLD) as loom:
            await loom.idle()
            assert outcome(loom) == wanted(), f"write {failing} failed, a life later"


@virtual_time
async def test_numbers_grow_and_are_never_given_again(disk: Disk) -> None:
    class Sees(Agent):
        numbers: list[int] = []

        @on("n")
        async def take(self, event: Event, ctx: Context) -> None:
            self.numbers.append(event.seq)

    for number in range(3):
        async with life(disk, Sees) as loom:
            for _ in range(5):
                await loom.publish("n", LONG)
            disk.refuse = lambda n: True
            with pytest.raises(StoreError):
                await loom.publish("n")
            disk.refuse = lambda n: False
            await loom.publish("n")
            await loom.idle()
            numbers = loom.agent("Sees").instance.numbers  # type: ignore[attr-defined]
            assert numbers == sorted(set(numbers))
            assert len(numbers) == 6 * (number + 1)
            assert [unnumber(key) for key in sorted(disk.kept[Family.JOURNAL])] == numbers


@virtual_time
async def test_events_are_found_by_number_and_by_id(disk: Disk) -> None:
    async with life(disk, Sink) as loom:
        assert loom._durable is not None
        journal = loom._durable.journal
        event = await loom.publish("m", {"n": 1, "text": LONG}, id="known")
        assert journal.find("known") == event.seq
        assert journal.find("unknown") is None
        again = journal.event(event.seq)
        assert again is not None
        assert (again.id, again.payload) == ("known", event.payload)
        assert journal.event(10**6) is None


@virtual_time
async def test_a_topic_is_kept_while_somebody_durable_listens_or_a_rule_says_so(disk: Disk) -> None:
    async with life(disk) as loom:
        assert loom._durable is not None
        journal = loom._durable.journal
        with loom.subscribe("m"):
            await loom.publish("m")
        assert journal.seq == 0
        loom.add(Sink)
        await loom.publish("m", {"n": 1, "text": ""})
        assert journal.seq == 1
        assert loom.bus.spooled("m")
        assert not loom.bus.spooled("other")


@virtual_time
async def test_what_ends_without_a_step_is_settled_however_often_the_disk_fails(disk: Disk) -> None:
    async with life(disk, Sink) as loom:
        assert loom._durable is not None
        cursor = loom._durable.journal.cursors["Sink.take"]
        await loom.publish("m", {"n": 1, "text": ""}, scope="s")
        loom.cancel("s")
        disk.refuse = lambda n: True
        await asyncio.sleep(5)
        disk.refuse = lambda n: False
        await asyncio.sleep(5)
        await loom.idle()
        assert not cursor.outstanding
        await turns()
        assert cursor.position == loom._durable.journal.head


@virtual_time
async def test_a_state_is_never_ahead_of_the_steps_that_are_written_with_it(disk: Disk) -> None:
    def counter(number: int) -> type[Agent]:
        class Counts(Agent, name=f"C{number}"):
            seen: list[int] = []

            @on("n")
            async def take(self, event: Event, ctx: Context) -> None:
                self.seen.append(event.payload)

        return Counts

    agents = [counter(number) for number in range(9)]
    images: list[Disk] = []
    write = disk.write

    def photographed(puts: Any, sync: bool = True) -> None:
        write(puts, sync)
        images.append(disk.image())

    disk.write = photographed  # type: ignore[method-assign]
    async with life(disk, *agents) as loom:
        disk.hold(of_steps)
        work = loom.bus.publish_many([Event("n", n, topic="n") for n in range(60)])
        publishing = asyncio.ensure_future(work)
        await turns(200)
        disk.release()
        await publishing
        await loom.idle()
    assert len(images) > 3
    for image in images[-5:]:
        async with life(image, *agents) as loom:
            await loom.idle()
            for number in range(9):
                seen = loom.agent(f"C{number}").instance.seen  # type: ignore[attr-defined]
                assert seen == list(range(image.count(Family.JOURNAL)))
