"""States on disk: what is restored is what was committed, after any steps and failures, and little is written."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom import Agent, Context, Event, Loom, QoS, on
from loom.errors import StoreCorrupt, StoreError
from loom.store import Family
from loom.testing import run_until_idle, virtual_time
from tests.journal.disks import Disk, disk, life, of_steps, open_on

__all__ = ["disk"]


class Book(Agent):
    """A state that grows: texts, a table, and things that go again."""

    texts: list[str] = []
    table: dict[str, list[int]] = {}
    last: Any = None

    @on("do")
    async def do(self, event: Event, ctx: Context) -> None:
        what, value = event.payload
        if what == "add":
            self.texts.append(f"{value} " * (value * 10))
        elif what == "drop" and self.texts:
            del self.texts[value % len(self.texts)]
        elif what == "table":
            self.table.setdefault(str(value), []).append(value)
        elif what == "clear":
            self.texts, self.table = [], {}
        self.last = [what, value]


def book(loom: Loom) -> tuple[Any, ...]:
    instance: Any = loom.agent("Book").instance
    return list(instance.texts), dict(instance.table), instance.last


def model(done: list[tuple[str, int]]) -> tuple[Any, ...]:
    texts: list[str] = []
    table: dict[str, list[int]] = {}
    for what, value in done:
        if what == "add":
            texts.append(f"{value} " * (value * 10))
        elif what == "drop" and texts:
            del texts[value % len(texts)]
        elif what == "table":
            table.setdefault(str(value), []).append(value)
        elif what == "clear":
            texts, table = [], {}
    return texts, table, list(done[-1]) if done else None


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "add", "add", "table", "table", "drop", "clear"]), st.integers(0, 15)),
    max_size=40,
)


@given(STEPS, st.sets(st.integers(1, 60), max_size=8), st.sets(st.integers(0, 40), max_size=4))
@settings(max_examples=30, deadline=None)
def test_what_is_restored_is_what_was_committed(
    steps: list[tuple[str, int]], bad: set[int], lives: set[int]
) -> None:
    async def go_on(disk: Disk, todo: list[tuple[str, int]], done: list[tuple[str, int]]) -> None:
        async with life(disk, Book) as loom:
            assert book(loom) == model(done)
            disk.doomed = lambda puts: of_steps(puts) and disk.writes in bad
            for step in todo:
                while True:
                    try:
                        await loom.publish("do", step)
                    except StoreError:
                        continue
                    break
            await run_until_idle(loom, 20)
            disk.doomed = lambda puts: False
            assert book(loom) == model(done + todo)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loom.runtime.loom.open_durable", open_on)

        @virtual_time
        async def trial() -> None:
            disk = Disk()
            cuts = [0, *sorted(cut for cut in lives if cut < len(steps)), len(steps)]
            for begin, end in itertools.pairwise(cuts):
                await go_on(disk, steps[begin:end], steps[:begin])
            async with life(disk.image(), Book) as loom:
                assert book(loom) == model(steps)

        trial()


@virtual_time
async def test_a_crash_between_any_two_writes_finds_the_state_of_the_last(disk: Disk) -> None:
    images = []
    async with life(disk, Book) as loom:
        for _ in range(60):
            await loom.publish("do", ("add", 15))
            await loom.idle()
            images.append(disk.image())
    assert any(image.count(Family.CHANGES) for image in images)
    for number, image in enumerate(images, 1):
        async with life(image, Book) as loom:
            assert book(loom) == model([("add", 15)] * number)


@virtual_time
async def test_changes_that_could_not_be_kept_are_not_built_upon(disk: Disk) -> None:
    done = []
    async with life(disk, Book) as loom:
        for number in range(90):
            done.append(("add" if number < 60 else "table", 15 if number < 60 else number))
            await loom.publish("do", done[-1])
            if number > 60 and number % 4 == 0:
                failing = disk.writes + 1
                disk.doomed = lambda puts, failing=failing: of_steps(puts) and disk.writes <= failing  # type: ignore[misc]
            await run_until_idle(loom, 3)
            disk.doomed = lambda puts: False
            if number > 60:
                async with life(disk.image(), Book) as other:
                    assert book(other) == model(done)
        assert disk.count(Family.CHANGES)


@virtual_time
async def test_a_state_that_only_realtime_changed_survives_a_disk_that_cannot_be_read(disk: Disk) -> None:
    class Quick(Agent):
        count: int = 0

        @on("now", qos=QoS.REALTIME)
        async def now(self, event: Event, ctx: Context) -> None:
            self.count += 1

    async with life(disk, Quick) as loom:
        await loom.publish("now")
        disk.blind = True  # a state that is new looks at what is there
        await asyncio.sleep(3)
        disk.blind = False
        await asyncio.sleep(3)
        image = disk.image()
    async with life(image, Quick) as loom:
        assert loom.agent("Quick").instance.count == 1  # type: ignore[attr-defined]


@virtual_time
async def test_a_long_conversation_takes_disk_in_proportion_to_itself(disk: Disk) -> None:
    class Chat(Agent):
        messages: list[dict[str, str]] = []

        @on("ask")
        async def ask(self, event: Event, ctx: Context) -> None:
            self.messages.append({"role": "user", "text": event.payload})
            answer = f"{len(self.messages)} answers " + "word " * 800
            self.messages.append({"role": "assistant", "text": answer})
            ctx.publish("answered", answer)

    said = 0
    written = 0
    async with life(disk, Chat) as loom:
        for number in range(100):
            text = f"{number} asks " + "token " * 660
            said += len(text) + 4010
            await loom.publish("ask", text)
            await loom.idle()
        written = sum(len(p.key) + len(p.value or b"") for batch in disk.batches for p in batch)
        assert said > 790_000  # some 200 k tokens
        assert disk.nbytes() < 2.2 * said
        assert written < 4 * said
    async with life(disk, Chat) as loom:
        assert len(loom.agent("Chat").instance.messages) == 200  # type: ignore[attr-defined]


@virtual_time
async def test_changes_are_folded_into_a_snapshot_now_and_then(disk: Disk) -> None:
    class Wide(Agent):
        table: dict[str, int] = {}

        @on("set")
        async def set(self, event: Event, ctx: Context) -> None:
            self.table[event.payload] = event.seq

    async with life(disk, Wide) as loom:
        most = 0
        for number in range(1500):
            await loom.publish("set", f"name-{number % 700:04}")
            if number % 10 == 0:
                await loom.idle()
                most = max(most, disk.count(Family.CHANGES))
        assert 10 < most <= 1000
        table = loom.agent("Wide").instance.table  # type: ignore[attr-defined]
        assert disk.count(Family.STATES) == 1
        row = len(disk.kept[Family.STATES][b"Wide"])
        assert sum(len(v) for v in disk.kept[Family.CHANGES].values()) <= 2 * row
    async with life(disk, Wide) as loom:
        assert loom.agent("Wide").instance.table == table  # type: ignore[attr-defined]


@virtual_time
async def test_a_class_that_has_grown_newer_finds_its_large_state_too(disk: Disk) -> None:
    class Newer(Agent, name="Book", version=2):
        lines: list[str] = []
        table: dict[str, list[int]] = {}
        last: Any = None

        @classmethod
        def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
            assert version == 1
            state["lines"] = state.pop("texts")
            return state

        @on("do")
        async def do(self, event: Event, ctx: Context) -> None:
            self.lines.append(event.payload[0])

    async with life(disk, Book) as loom:
        for _ in range(50):
            await loom.publish("do", ("add", 15))
            await loom.idle()
    assert disk.count(Family.CHANGES)
    for number in range(3):
        async with life(disk, Newer) as loom:
            await loom.publish("do", ("new", 1))
            await loom.idle()
            lines = loom.agent("Book").instance.lines  # type: ignore[attr-defined]
            assert lines == model([("add", 15)] * 50)[0] + ["new"] * (number + 1)


@virtual_time
async def test_a_state_that_was_damaged_is_told_when_its_agent_is_added(disk: Disk) -> None:
    async with life(disk, Book) as loom:
        await loom.publish("do", ("add", 3))
        await loom.idle()
    for row in (b"", b"x", b"{}\n{}", b'{"v":1,"n":0}\n[1'):
        disk.kept[Family.STATES][b"Book"] = row
        with pytest.raises(StoreCorrupt, match=r"'Book' .*loom store verify"):
            life(disk, Book)


@virtual_time
async def test_a_disk_that_cannot_be_read_while_a_state_is_written_wedges_nothing(disk: Disk) -> None:
    async with life(disk, Book) as loom:
        disk.doomed = of_steps
        await loom.publish(
            "do", ("add", 3)
        )  # what failed is written whole again, and that looks at what is there
        disk.blind = True
        await asyncio.sleep(3)
        disk.doomed = lambda puts: False
        await asyncio.sleep(3)
        disk.blind = False
        await run_until_idle(loom, 30)
        assert book(loom) == model([("add", 3)])
    async with life(disk, Book) as loom:
        assert book(loom) == model([("add", 3)])
