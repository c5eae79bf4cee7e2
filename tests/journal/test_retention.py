"""Retention: against a naive oracle, over crashes and failures, and what must stay whatever the rules say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.bus import Bus
from loom.errors import Closed, StoreFull
from loom.event import Confidentiality, Event, Label
from loom.journal import Journal, Rules
from loom.journal.follower import FollowerQueue
from loom.journal.retention import Retention
from loom.store import Family, Put
from loom.store._master_key import MasterKey
from loom.store.crypto import shred
from loom.store.families import join, number, unnumber
from loom.store.sealed import SealedBackend
from loom.store.sealing import open_sealer
from loom.testing import run, virtual_time
from tests.store.shelf import Shelf

NOW = 1_000_000
PRIVATE = Label(Confidentiality.PRIVATE)
TOPICS = ("a", "b.x", "b.y")


class Told(NamedTuple):
    """One event of a random journal: topic, key, age in seconds, bytes of its text."""

    topic: str
    key: str | None
    age: int
    size: int


events = st.lists(
    st.builds(
        Told,
        st.sampled_from(TOPICS),
        st.sampled_from([None, "1", "2"]),
        st.integers(-5, 100),
        st.sampled_from([0, 10, 50]),
    ),
    max_size=30,
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "age": st.one_of(st.none(), st.integers(1, 100)),
        "count": st.integers(1, 8),
        "size": st.integers(1, 800),
        "compact": st.booleans(),
    },
)
rules_given = st.lists(st.tuples(st.sampled_from([*TOPICS, "b.*", ">"]), limits), max_size=4)


def fill(shelf: Shelf, told: Sequence[Told], rules: Sequence[tuple[str, dict[str, Any]]] = ()) -> Journal:
    """A journal with these events, each of which has a step and caused the next one."""
    made = Rules()
    for pattern, rule in rules:
        made.add(pattern, **rule)
    journal = Journal(shelf, Bus(), made)
    for place, each in enumerate(told, 1):
        cause = f"e{place - 1}" if place > 1 else None
        event = Event(
            "t", "x" * each.size, topic=each.topic, key=each.key, id=f"e{place}", cause=cause,
            timestamp_ms=NOW - each.age * 1000,
        )  # fmt: skip
        puts = journal.rows(event)
        puts.append(Put(Family.STEPS, join(number(event.seq), "Some.take"), b'[1,0,"e","Some",""]'))
        shelf.write(puts)
    journal.reached(journal.seq)
    return journal


def follow(journal: Journal, name: str, position: int) -> None:
    """A subscription that is there and has handled everything up to *position*."""
    cursor = journal.cursor(name, "beginning")
    cursor.delivered, cursor.behind = position, True
    FollowerQueue(name, cursor, journal)


def left(shelf: Shelf) -> list[int]:
    return [unnumber(key) for key in sorted(shelf.kept[Family.JOURNAL])]


def naive(told: Sequence[Told], rules: Rules, nbytes: Sequence[int], stay: set[int]) -> set[int]:
    """The numbers of the events that the rules keep, as simply as possible; those in *stay* count, replaced or not."""
    alive = [
        (seq, e) for seq, e in enumerate(told, 1) if (age := rules.of(e.topic).age) is None or e.age <= age
    ]
    alive = [
        (seq, e)
        for seq, e in alive
        if seq in stay
        or not rules.of(e.topic).compact
        or not any(s > seq and (o.topic, o.key or "") == (e.topic, e.key or "") for s, o in alive)
    ]
    kept = set()
    for topic in TOPICS:
        rule = rules.of(topic)
        count = size = 0
        for seq, _ in [pair for pair in reversed(alive) if pair[1].topic == topic]:
            count, size = count + 1, size + nbytes[seq - 1]
            if (rule.count is not None and count > rule.count) or (
                rule.size is not None and size > rule.size
            ):
                break
            kept.add(seq)
    return kept


@settings(max_examples=150, deadline=None)
@given(
    told=events,
    rules=rules_given,
    handled=st.integers(0, 30),
    names=st.integers(1, 3),
    letters=st.sets(st.integers(1, 30), max_size=2),
)
def test_what_stays_is_what_a_naive_reading_of_the_rules_keeps(
    told: list[Told],
    rules: list[tuple[str, dict[str, Any]]],
    handled: int,
    names: int,
    letters: set[int],
) -> None:
    shelf = Shelf()

    async def main() -> int:
        journal = fill(shelf, told, rules)
        nbytes = [len(shelf.kept[Family.JOURNAL][number(n)]) for n in range(1, len(told) + 1)]
        for letter in letters:
            shelf.kept[Family.DEAD][number(letter)] = letter_row(letter)
        follow(journal, "slow", handled)
        stay = letters | {len(told)} | set(range(handled + 1, 31))
        wanted = naive(told, journal.rules, nbytes, stay) | stay
        removed = await Retention(journal, names).apply(NOW)
        assert left(shelf) == [n for n in range(1, len(told) + 1) if n in wanted]
        assert removed == len(told) - len(left(shelf))
        assert await Retention(journal).apply(NOW) == 0
        journal.committer.close()
        return removed

    run(main())
    assert_sound(shelf)


def letter_row(seq: int) -> bytes:
    from loom.journal.dead import Letter

    return Letter(1, "A", "A.take", f"e{seq}", "a", "failed", "", [], 1, NOW, seq).row()


def assert_sound(shelf: Shelf) -> None:
    """Of an event there is everything or nothing."""
    there = left(shelf)
    assert sorted(unnumber(v) for v in shelf.kept[Family.IDS].values()) == there
    assert sorted(unnumber(key) for key in shelf.kept[Family.STEPS]) == there
    caused = {unnumber(v) for v in shelf.kept[Family.CAUSES].values()}
    causes = {int(key.split(b"\0")[0][1:]) for key in shelf.kept[Family.CAUSES]}
    assert caused <= set(there)
    assert causes <= set(there)


class Photographed(Shelf):
    """Remembers what was kept after each write, as a crash would leave it."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Shelf] = []

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        super().write(puts, sync)
        image = Shelf()
        image.kept = {family: dict(rows) for family, rows in self.kept.items()}
        self.images.append(image)


@virtual_time
async def test_a_crash_between_two_chunks_leaves_a_sound_store() -> None:
    shelf = Photographed()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 300, [("a", {"age": 30})])
    shelf.images.clear()
    assert await Retention(journal).apply(NOW) == 299
    journal.committer.close()
    assert len(shelf.images) > 4
    for image in shelf.images:
        assert_sound(image)
    assert left(shelf) == [300]


class Watched(Shelf):
    """Says in which threads it is used, and how much is asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[str] = set()
        self.most = 0

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        self.threads.add(threading.current_thread().name)
        super().write(puts, sync)

    def scan(
        self, family: Family, start: bytes = b"", end: bytes | None = None, limit: int = 256
    ) -> list[tuple[bytes, bytes]]:
        self.threads.add(threading.current_thread().name)
        rows = super().scan(family, start, end, limit)
        self.most = max(self.most, sum(len(row) for _, row in rows))
        return rows


@virtual_time
async def test_all_reading_and_removing_is_done_by_the_thread_that_writes_a_little_at_a_time() -> None:
    shelf = Watched()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 200, [("a", {"count": 3, "compact": True})])
    for seq in range(100, 190):
        row = shelf.kept[Family.JOURNAL][number(seq)]
        shelf.kept[Family.JOURNAL][number(seq)] = row + b" " * 300_000
    shelf.threads.clear()
    assert await Retention(journal).apply(NOW) == 199
    journal.committer.close()
    assert {name.rpartition("_")[0] for name in shelf.threads} == {"loom store"}
    assert shelf.most < 30_000_000


@virtual_time
async def test_a_full_disk_is_told_and_the_next_time_goes_on() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 10, [("a", {"count": 3})])
    shelf.full = True
    with pytest.raises(StoreFull):
        await Retention(journal).apply(NOW)
    shelf.full = False
    assert len(left(shelf)) == 10
    assert await Retention(journal).apply(NOW) == 7
    journal.committer.close()
    with pytest.raises(Closed):
        await Retention(journal).apply(NOW)


@virtual_time
async def test_the_last_event_stays_so_that_numbers_are_never_given_twice() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 5, [("a", {"age": 1})])
    await Retention(journal).apply(NOW)
    journal.committer.close()
    assert Journal(shelf, Bus()).seq == 5


@virtual_time
async def test_an_id_is_forgotten_with_its_event_and_not_with_an_earlier_one_of_the_same_id() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0), Told("a", None, 0, 0), Told("a", None, 0, 0)])
    shelf.kept[Family.IDS][b"e1"] = number(2)
    journal.rules.add("a", age=30)
    assert await Retention(journal).apply(NOW) == 1
    assert shelf.kept[Family.IDS][b"e1"] == number(2)
    assert journal.find("e1") == 2
    journal.committer.close()


@virtual_time
async def test_an_event_that_caused_very_much_goes_with_all_of_it() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0), Told("a", None, 0, 0)], [("a", {"age": 30})])
    for n in range(1500):
        shelf.kept[Family.CAUSES][join("e1", "act", f"key{n}")] = b""
        shelf.kept[Family.STEPS][join(number(1), f"group {n}")] = b'[1,0,"e1","Some",""]'
    assert await Retention(journal).apply(NOW) == 1
    assert not [key for key in shelf.kept[Family.CAUSES] if key.startswith(b"e1\0")]
    assert [unnumber(key) for key in shelf.kept[Family.STEPS]] == [2]
    journal.committer.close()


@virtual_time
async def test_the_maker_of_a_timer_stays_as_long_as_the_timer_waits() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0), Told("a", None, 0, 0)], [("a", {"age": 30})])
    for timer, owner in (("t1", "Room/kitchen"), ("t2", "Cook")):
        shelf.kept[Family.CAUSES][join("e1", "timer", timer)] = b""
        shelf.kept[Family.CAUSES][join(timer, "maker", b"")] = f'{{"by":"{owner}"}}'.encode()
    shelf.kept[Family.TIMERS][join("Room\0kitchen", "t1")] = b"{}"
    await Retention(journal).apply(NOW)
    makers = [key for key in shelf.kept[Family.CAUSES] if b"\0maker\0" in key]
    assert makers == [join("t1", "maker", b"")]
    journal.committer.close()


@virtual_time
async def test_what_cannot_be_read_stays_and_hinders_nothing() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 5, [(">", {"count": 1, "age": 30})])
    shelf.kept[Family.JOURNAL][number(2)] = shelf.kept[Family.JOURNAL][number(3)] = b"damaged"
    shelf.kept[Family.DEAD][number(1)] = b"damaged"
    assert await Retention(journal).apply(NOW) == 2
    assert left(shelf) == [2, 3, 5]
    journal.committer.close()


@virtual_time
async def test_what_is_too_old_replaces_nothing() -> None:
    shelf = Shelf()
    told = [Told("a", "k", 10, 0), Told("a", "k", 60, 0), Told("b.x", None, 0, 0)]
    journal = fill(shelf, told, [("a", {"compact": True, "age": 30})])
    assert await Retention(journal).apply(NOW) == 1
    assert left(shelf) == [1, 3]
    journal.committer.close()


class Joined(Shelf):
    """Lets somebody subscribe, from the beginning, while events are being taken away."""

    joining: Callable[[], None] | None = None

    def write(self, puts: Sequence[Put], sync: bool = True) -> None:
        super().write(puts, sync)
        if self.joining is not None and any(put.family is Family.JOURNAL for put in puts):
            self.joining()
            self.joining = None


@virtual_time
async def test_who_subscribes_meanwhile_gets_what_is_still_there() -> None:
    shelf = Joined()
    journal = fill(shelf, [Told("a", None, 60, 0)] * 300, [("a", {"age": 30})])
    shelf.joining = lambda: follow(journal, "new", 0)
    removed = await Retention(journal).apply(NOW)
    assert 0 < removed < 100
    assert left(shelf) == list(range(removed + 1, 301))
    journal.committer.close()


@virtual_time
async def test_steps_of_events_that_were_not_journalled_go_by_age_and_with_their_neighbours() -> None:
    shelf = Shelf()
    journal = fill(shelf, [Told("a", None, 60, 0), Told("a", None, 0, 0)], [("a", {"age": 30})])
    month = 31 * 86_400_000
    for seq, id, at_ms in ((1, "u1", NOW), (2, "old", NOW), (2, "new", NOW + month)):
        key = join(number(seq), "Some.take", id)
        shelf.kept[Family.STEPS][key] = f'[1,{at_ms},"{id}","Some",""]'.encode()
        shelf.kept[Family.CAUSES][join(id, "step", key)] = b"{}"
    await Retention(journal).apply(NOW)
    assert unjournalled(shelf) == {b"old", b"new"}
    await Retention(journal).apply(NOW + month)
    assert unjournalled(shelf) == {b"new"}
    journal.committer.close()


def unjournalled(shelf: Shelf) -> set[bytes]:
    steps = {key.split(b"\0")[-1] for key in shelf.kept[Family.STEPS] if key.count(b"\0", 9)}
    causes = {key.split(b"\0")[0] for key in shelf.kept[Family.CAUSES] if b"\0step\0" in key}
    assert steps == causes
    return steps


@virtual_time
async def test_what_was_shredded_goes_and_sealed_events_are_judged_as_others() -> None:
    shelf = Shelf()
    sealer = open_sealer(shelf, MasterKey(bytes(32)))
    backend = SealedBackend(shelf, sealer)
    journal = Journal(backend, Bus())
    journal.rules.add("a", count=2)
    for seq, subject in enumerate(["ann", "bob", "bob", "ann", "bob", ""], 1):
        event = Event("t", seq, topic="a", id=f"e{seq}", label=PRIVATE, metadata={"subject": subject})
        step = Put(Family.STEPS, join(number(seq), "A.take"), f'[1,0,"e{seq}","A","{subject}"]'.encode())
        backend.write([*journal.rows(event), step])
    journal.reached(journal.seq)
    shred(shelf, sealer, "ann")  # type: ignore[arg-type]
    shelf.kept[Family.JOURNAL][number(3)] = shelf.kept[Family.JOURNAL][number(2)]  # not sealed for this place
    assert await Retention(journal).apply(NOW) == 3
    assert left(shelf) == [3, 5, 6]
    assert [unnumber(key) for key in sorted(shelf.kept[Family.STEPS])] == [3, 5, 6]
    journal.committer.close()
