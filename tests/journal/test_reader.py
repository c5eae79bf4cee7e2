"""Reading on: who is behind gets everything in order, together, also from a disk that fails for a while."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom import Agent, Context, Event, Loom, QoS, on
from loom.store import Family
from loom.store.families import number
from loom.testing import run_until_idle, virtual_time
from tests.journal.disks import Disk, disk, life, open_on

__all__ = ["disk"]


def reader(name: str, pattern: str = "n", capacity: int = 4, seconds: float = 0.01) -> type[Agent]:
    class Reads(Agent, name=name):
        seen: list[Any] = []

        @on(pattern, capacity=capacity, qos=QoS.BACKGROUND)
        async def take(self, event: Event, ctx: Context) -> None:
            await asyncio.sleep(seconds)
            self.seen.append(event.payload)

    return Reads


def seen(loom: Loom, name: str) -> list[Any]:
    found: list[Any] = loom.agent(name).instance.seen  # type: ignore[attr-defined]
    return found


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(0, 60),
)
@settings(max_examples=25, deadline=None)
def test_everybody_gets_everything_in_order_however_slow(
    topics: list[str], rooms: tuple[int, int], cut: int
) -> None:
    agents = [
        reader("A", "a", rooms[0], 0.03),
        reader("AB", ">", rooms[1], 0.02),
        reader("C", "c", 3, 0.05),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loom.runtime.loom.open_durable", open_on)

        @virtual_time
        async def trial() -> None:
            disk = Disk()
            async with life(disk, *agents) as loom:
                for place, topic in enumerate(topics):
                    await loom.publish(topic, place)
                    if place == cut:
                        break
                await asyncio.sleep(0.1)
                image = disk.image()
            async with life(image, *agents) as loom:
                for place, topic in list(enumerate(topics))[cut + 1 :]:
                    await loom.publish(topic, place)
                await loom.idle()
                everything = list(enumerate(topics))
                assert seen(loom, "A") == [p for p, t in everything if t == "a"]
                assert seen(loom, "C") == [p for p, t in everything if t == "c"]
                listed = [p for p in seen(loom, "AB") if isinstance(p, int)]
                assert listed == [p for p, _ in everything]
                for cursor in loom._durable.journal.cursors.values() if loom._durable else ():
                    assert not cursor.behind

        trial()


@virtual_time
async def test_a_disk_that_cannot_be_read_for_a_while_loses_nothing(disk: Disk) -> None:
    async with life(disk, reader("A"), reader("B", capacity=3, seconds=0.02)) as loom:
        for n in range(200):
            await loom.publish("n", n)
        await asyncio.sleep(0.5)
        for _ in range(3):
            disk.blind = True
            await asyncio.sleep(5)
            disk.blind = False
            await asyncio.sleep(1)
        await run_until_idle(loom, 3)
        assert seen(loom, "A") == seen(loom, "B") == list(range(200))
        assert loom._durable is not None
        assert loom._durable.journal.errors > 0


@virtual_time
async def test_a_leaf_that_cannot_be_read_for_a_moment_is_no_damage(disk: Disk) -> None:
    texts = [f"{n} " * 400 for n in range(12)]
    async with life(disk, reader("A", capacity=2)) as loom:
        for text in texts:
            await loom.publish("n", text)
        look, tries = disk.get, iter(range(100))

        def get(family: Family, key: bytes) -> bytes | None:
            if family is Family.BLOBS and next(tries) % 3 == 0:
                disk.blind = True
            try:
                return look(family, key)
            finally:
                disk.blind = False

        disk.get = get  # type: ignore[method-assign]
        await run_until_idle(loom, 30)
        assert seen(loom, "A") == texts
        assert loom._durable is not None
        assert loom._durable.journal.reader.unreadable == 0


@virtual_time
async def test_a_damaged_row_is_counted_and_the_others_are_read(disk: Disk) -> None:
    async with life(disk, reader("A", capacity=2)) as loom:
        for n in range(10):
            await loom.publish("n", n)
        seq = next(
            s
            for s in range(1, 40)
            if (loom._durable and (e := loom._durable.journal.event(s)) and e.payload == 7)
        )
        row = disk.kept[Family.JOURNAL][number(seq)]
        disk.kept[Family.JOURNAL][number(seq)] = row[:-4] + b"}}}}"
        await loom.idle()
        assert seen(loom, "A") == [n for n in range(10) if n != 7]
        assert loom._durable is not None
        assert loom._durable.journal.reader.unreadable == 1


@virtual_time
async def test_stopping_in_the_middle_of_reading_on_is_quiet(disk: Disk) -> None:
    loop, problems = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: problems.append(context))
    loom = life(disk, reader("A", capacity=64, seconds=1))
    await loom.start()
    for n in range(300):
        await loom.publish("n", n)
    await loom.stop(0.5)
    async with life(disk, reader("A", capacity=64, seconds=0)) as again:
        await again.idle()
        assert seen(again, "A") == list(range(300))
    assert problems == []


@virtual_time
async def test_those_at_the_same_place_are_read_for_together(disk: Disk) -> None:
    agents = [reader(f"A{k}", capacity=200, seconds=0) for k in range(8)]
    async with life(disk, *agents) as loom:
        await loom.idle()
    async with life(disk) as loom:
        assert loom._durable is not None
        loom._durable.journal.rules.add("n", keep=True)
        loom.bus._router.clear()
        for n in range(128):
            await loom.publish("n", n)
    scans = 0
    scan = disk.scan

    def counted(family: Family, *arguments: Any, **more: Any) -> list[tuple[bytes, bytes]]:
        nonlocal scans
        scans += family is Family.JOURNAL
        return scan(family, *arguments, **more)

    disk.scan = counted  # type: ignore[method-assign,assignment]
    async with life(disk, *agents) as loom:
        await loom.idle()
        assert all(seen(loom, f"A{k}") == list(range(128)) for k in range(8))
        assert scans < 12
