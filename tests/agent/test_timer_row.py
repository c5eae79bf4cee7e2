"""The rows of timers: they come back as they were, and bad ones are reported, skipped and left where they are."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.agent._schedule import Every
from loom.agent._timer_book import HOLD_MS, Beat, TimerBook
from loom.agent._timer_faults import timer_faults
from loom.agent._timer_row import STEADY, StoredTimer, decode_timer, due_key, encode_timer, row_key
from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreError
from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.journal.row import flat_event
from loom.store import Family, Put
from loom.store._subjects import label_of, subject_of
from loom.store.families import join, number
from tests.agent.desk import DAY, NOW, Desk
from tests.store.shelf import Shelf

# --- rows ------------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
TIMERS = st.builds(
    StoredTimer,
    st.builds("\0".join, st.lists(NAMES, min_size=1, max_size=2)),
    NAMES,
    st.sampled_from(["after", "every", "at", "beat"]),
    st.sampled_from(
        [{}, {"every_ms": 5}, {"at": "07:30:00", "tz": "UTC"}, {"cron": "5 5 * * *", "tz": "UTC"}]
    ),
    st.integers(0, STEADY - 1),
    st.sampled_from(["once", "skip", "catch_up", "coalesce"]),
    st.binary(max_size=20),
    st.none() | st.integers(0, STEADY - 1),
)


@settings(deadline=None)
@given(TIMERS, TIMERS)
def test_a_timer_comes_back_from_its_row_and_keys_sort_by_moment(one: StoredTimer, two: StoredTimer) -> None:
    assert decode_timer(row_key(one.owner, one.id), encode_timer(one)) == one
    if one.steady is two.steady and one.due_ms != two.due_ms:
        assert (due_key(one) < due_key(two)) is (one.due_ms < two.due_ms)
    assert due_key(one)[9:] == row_key(one.owner, one.id)
    assert json.loads(encode_timer(one))["d"] == one.due_ms


def test_whose_a_timer_is_can_be_read_from_its_row() -> None:
    """What seals rows on their way to the disk goes by this."""
    desk, key = Desk(), b"a\0t"
    private = Label(Confidentiality.PRIVATE)
    event = Event("t", "sh", topic="a.b", label=private, metadata={"subject": "ada"})
    desk.keep(desk.book.set_after("a", "t", 1, flat_event(event), "once", NOW))
    row = desk.shelf.kept[Family.TIMERS][key]
    assert (label_of(Family.TIMERS, key, row), subject_of(Family.TIMERS, key, row)) == (private, "ada")
    desk.keep(desk.book.beats("a", {"@b": Beat(Every(1000), "once", "loom.timer.a.b")}, NOW))
    beat = desk.shelf.kept[Family.TIMERS][b"a\0@b"]
    assert label_of(Family.TIMERS, b"a\0@b", beat) == PUBLIC


@pytest.mark.parametrize("error", [StoreCorrupt, MissingKey, Shredded])
def test_a_row_that_cannot_be_opened_is_reported_and_stops_no_other(error: type[StoreError]) -> None:
    class Sealed(Shelf):
        def get(self, family: Family, key: bytes) -> bytes | None:
            if key == b"a\0sealed":
                raise error("cannot be opened")
            return super().get(family, key)

    desk = Desk()
    desk.after("sealed", 5)
    desk.after("open", 10)
    sealed = Sealed()
    sealed.kept = desk.shelf.kept
    desk.shelf = sealed
    desk.open()
    assert desk.fire(NOW + DAY) == [("open", NOW + 10_000)]
    assert "cannot be opened" in desk.reports[0]
    assert b"a\0sealed" in desk.shelf.kept[Family.TIMERS]


def test_a_bad_key_is_a_corrupt_row() -> None:
    with pytest.raises(StoreCorrupt):
        decode_timer(b"", b'{"k":"after","d":1,"m":"once"}')


# --- what is broken --------------------------------------------------------------------------------------------------

BAD = [
    b"",
    b"{",
    b"null",
    b"[1]",
    b'{"k":"after"}',
    b'{"k":"never","d":1,"m":"once"}',
    b'{"k":"after","d":1,"m":"maybe"}',
    b'{"k":"after","d":-1,"m":"once"}',
    b'{"k":"after","d":1.5,"m":"once"}',
    b'{"k":"after","d":true,"m":"once"}',
    b'{"k":"after","d":' + b"9" * 5000 + b',"m":"once"}',
    b'{"k":"after","d":%d,"m":"once"}' % STEADY,
    b'{"k":["after"],"d":1,"m":"once"}',
    b'{"k":"after","d":1,"m":"once","e":"***"}',
    b'{"k":"after","d":1,"m":"once","e":7}',
    b'{"k":"after","d":1,"m":"once","f":"x"}',
    b'{"k":"every","d":1,"m":"once","s":{"every_ms":0}}',
    b'{"k":"beat","d":1,"m":"once","s":{"cron":"* *"}}',
    b'{"k":"beat","d":1,"m":"once","s":{"at":"07:30","tz":"Mars/Phobos"}}',
    b'{"k":"beat","d":1,"m":"once","s":7}',
    b"[" * 100_000,
    b"\xff\xfe",
]


@pytest.mark.parametrize("row", BAD, ids=range(len(BAD)))
def test_a_bad_row_is_reported_and_skipped_and_stays(row: bytes) -> None:
    desk = Desk()
    desk.shelf.write(
        [Put(Family.TIMERS, b"a\0bad", row), Put(Family.DUE, join(number(NOW | STEADY), "a", "bad"), b"")]
    )
    desk.after("good", 10)
    assert desk.fire(NOW + DAY) == [("good", NOW + 10_000)]
    assert len(desk.reports) == 1
    assert "a\\x00bad" in desk.reports[0]
    assert desk.shelf.kept[Family.TIMERS][b"a\0bad"] == row
    assert next(puts for _, puts in timer_faults(desk.shelf)) == []


@settings(deadline=None)
@given(st.dictionaries(st.binary(max_size=30), st.binary(max_size=60), max_size=8), st.binary(max_size=60))
def test_any_bytes_are_survived(keys: dict[bytes, bytes], row: bytes) -> None:
    desk = Desk(window=4)
    for key in keys:
        desk.shelf.write([Put(Family.DUE, key, b""), Put(Family.TIMERS, key[9:], row)])
    desk.after("good", 10)
    fired: list[tuple[str, int]] = []
    for _ in range(5):
        fired += desk.fire(STEADY - 1)
    assert ("good", NOW + 10_000) in fired
    list(timer_faults(desk.shelf))


def test_faults_are_found_and_can_be_mended() -> None:
    desk = Desk()
    desk.after("deaf", 10)
    desk.after("fine", 20)
    desk.after("twice", 30)
    twice = desk.book.get("a", "twice")
    assert twice is not None
    (deaf,) = (k for k in desk.shelf.kept[Family.DUE] if k.endswith(b"deaf"))
    desk.shelf.write(
        [
            Put(Family.DUE, deaf, None),
            Put(Family.DUE, join(number(5), "a", "ghost"), b""),
            Put(Family.DUE, due_key(twice._replace(due_ms=7)), b""),
        ]
    )
    desk.open()
    assert desk.fire(NOW + DAY) != []
    assert any("ghost" in report for report in desk.reports)
    found = list(timer_faults(desk.shelf))
    assert ["deaf" in told for told, _ in found].count(True) == 1
    desk.shelf.write([put for _, puts in found for put in puts])
    assert list(timer_faults(desk.shelf)) == []
    desk.open()
    assert desk.fire(NOW + DAY) == [("deaf", NOW + 10_000)]


class Moody(Shelf):
    """A shelf that cannot be read when told."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def get(self, family: Family, key: bytes) -> bytes | None:
        if self.broken:
            raise StoreError("the shelf cannot be read")
        return super().get(family, key)


def test_what_could_not_be_read_is_read_again() -> None:
    shelf = Moody()
    book = TimerBook(shelf)
    puts = [*book.set_after("a", "s", 1, b"", "once", NOW), *book.set_after("a", "t", 1, b"", "once", NOW)]
    shelf.write(puts)
    book.landed(puts)
    shelf.broken = True
    with pytest.raises(StoreError):
        book.due(NOW + 1000)
    shelf.broken = False
    assert book.next_due_ms() == NOW + 1000
    assert sorted(t.id for t in book.due(NOW + 1000 + HOLD_MS)) == ["s", "t"]
    for timer in (book.get("a", "s"), book.get("a", "t")):
        assert timer is not None
        puts = book.firing(timer, NOW + 2000).puts
        shelf.broken = True
        book.dropped(puts, NOW + 2000)
        shelf.broken = False
    assert sorted(t.id for t in book.due(NOW + 9000)) == ["s", "t"]
