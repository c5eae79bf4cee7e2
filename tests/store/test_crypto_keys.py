"""The keys of a sealed store: master key and data keys rotate, subjects are shredded, and crashes lose nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreFull, WrongKey
from loom.event import PUBLIC, Confidentiality, Label
from loom.store import Backend, Family
from loom.store._master_key import MasterKey
from loom.store.crypto import KeySealer, Limits, rotate, shred
from loom.store.opening import open_backend
from loom.store.sealing import CHECK, Sealed, open_sealer, parse, place
from tests.store.shelf import Shelf

OLD, NEW = MasterKey(bytes(range(32))), MasterKey(bytes(range(1, 33)))
PRIVATE = Label(Confidentiality.PRIVATE)
HERE = place(Family.STATES, b"a")


def keep(shelf: Backend, sealer: KeySealer) -> None:
    """What the writer does at each write."""
    puts = sealer.pending_puts()
    shelf.write(puts)
    sealer.landed(puts)


def key_of(value: bytes) -> int:
    parsed = parse(value)
    assert isinstance(parsed, Sealed)
    return parsed.key


# -- the master key


def test_a_wrong_key_is_refused_before_anything_is_read_or_written() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    keep(shelf, sealer)
    before, shelf.calls = {f: dict(rows) for f, rows in shelf.kept.items()}, []
    with pytest.raises(
        WrongKey, match="the key from the program is not the key of this store; nothing was read"
    ):
        open_sealer(shelf, NEW)
    assert (shelf.kept, shelf.calls) == (before, [])
    with pytest.raises(MissingKey):
        open_sealer(shelf, None)
    assert open_sealer(shelf, OLD).open("ann", HERE, value) == b"x"


def test_a_store_belongs_to_no_key_until_something_is_sealed() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    assert sealer.seal("ann", PUBLIC, HERE, b"x") == b"x"
    assert sealer.pending_puts() == []
    assert KeySealer(shelf, NEW).open("ann", HERE, b"x") == b"x"
    open_sealer(shelf, None)


def test_a_damaged_check_is_corrupt_or_a_wrong_key() -> None:
    shelf = Shelf()
    shelf.kept[Family.META][CHECK] = b"short"
    with pytest.raises(StoreCorrupt, match="check of the store's key is damaged"):
        KeySealer(shelf, OLD)
    shelf.kept[Family.META][CHECK] = bytes(48)
    with pytest.raises(WrongKey):
        KeySealer(shelf, OLD)


def test_rotation_keeps_every_value_readable_under_the_new_key_alone() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD, Limits(cached=2))
    values = {who: sealer.seal(who, PRIVATE, HERE, who.encode()) for who in map(str, range(300))}
    sealer.shred("7")
    keep(shelf, sealer)
    assert rotate(shelf, OLD, NEW) == 299
    with pytest.raises(WrongKey):
        KeySealer(shelf, OLD)
    again = KeySealer(shelf, NEW)
    assert list(again.verify()) == []
    with pytest.raises(Shredded):
        again.open("7", HERE, values.pop("7"))
    assert all(again.open(who, HERE, value) == who.encode() for who, value in values.items())


def test_a_rotation_that_fails_leaves_the_old_key_and_one_that_landed_is_not_done_again() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    keep(shelf, sealer)
    shelf.full = True
    with pytest.raises(StoreFull):
        rotate(shelf, OLD, NEW)
    assert KeySealer(shelf, OLD).open("ann", HERE, value) == b"x"
    shelf.full, shelf.calls = False, []
    assert rotate(shelf, OLD, NEW) == 1
    assert shelf.calls == ["write"]
    assert rotate(shelf, OLD, NEW) is None
    with pytest.raises(WrongKey):
        rotate(shelf, OLD, MasterKey(bytes(32)))
    assert KeySealer(shelf, NEW).open("ann", HERE, value) == b"x"


def test_nothing_is_rotated_where_nothing_is_sealed() -> None:
    assert rotate(Shelf(), OLD, NEW) is None


# -- data keys


def test_a_data_key_is_replaced_before_its_limit() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD, Limits(seals=5, reserve=2))
    values = [sealer.seal("ann", PRIVATE, HERE, b"%d" % n) for n in range(12)]
    assert [key_of(value) for value in values] == [1] * 5 + [2] * 5 + [3] * 2
    keep(shelf, sealer)
    again = KeySealer(shelf, OLD)
    assert [again.open("ann", HERE, value) for value in values] == [b"%d" % n for n in range(12)]


@given(st.lists(st.booleans(), max_size=30))
def test_the_limit_of_a_data_key_holds_over_restarts(restarts: list[bool]) -> None:
    shelf, limits = Shelf(), Limits(seals=4, reserve=2)
    sealer = KeySealer(shelf, OLD, limits)
    used = []
    for restart in restarts:
        used.append(key_of(sealer.seal("ann", PRIVATE, HERE, b"")))
        keep(shelf, sealer)
        if restart:
            sealer = KeySealer(shelf, OLD, limits)
    assert all(used.count(key) <= 4 for key in used)
    assert all(after - before in (0, 1) for before, after in pairwise(used))


def test_a_new_data_key_on_demand_leaves_old_values_readable() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"old")
    sealer.rotate_data_keys("ann")
    keep(shelf, sealer)
    again = KeySealer(shelf, OLD)
    assert key_of(again.seal("ann", PRIVATE, HERE, b"new")) == 2
    assert again.open("ann", HERE, value) == b"old"


def test_keys_wait_until_they_landed() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD, Limits(reserve=1))
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    first = sealer.pending_puts()
    assert sorted(put.family for put in first) == [Family.KEYS, Family.META]
    sealer.seal("ann", PRIVATE, HERE, b"y")  # changes the row that is just being written
    shelf.write(first)
    sealer.landed(first)
    assert [put.family for put in sealer.pending_puts()] == [Family.KEYS]
    shelf.full = True
    with pytest.raises(StoreFull):
        keep(shelf, sealer)
    assert len(sealer.pending_puts()) == 1
    assert KeySealer(shelf, OLD).open("ann", HERE, value) == b"x"


def test_the_cache_of_keys_is_bounded_and_what_it_forgot_is_read_again() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD, Limits(cached=3))
    names = list(map(str, range(20)))
    values = [sealer.seal(name, PRIVATE, HERE, b"x") for name in names]
    assert (len(sealer._keys), len(sealer._chains)) == (3, 3)
    assert [sealer.open(name, HERE, value) for name, value in zip(names, values, strict=True)] == [b"x"] * 20
    keep(shelf, sealer)
    assert [sealer.open(name, HERE, value) for name, value in zip(names, values, strict=True)] == [b"x"] * 20
    assert (len(sealer._keys), len(sealer._chains)) == (3, 3)


class Life:
    """A store's life in a test: what was sealed waits for the next write, as in a commit loop."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.limits = Limits(seals=3, reserve=2, cached=2)
        self.sealer = KeySealer(self.shelf, OLD, self.limits)
        self.made: list[tuple[str, bytes, bytes]] = []  # sealed, not written yet
        self.kept: list[tuple[str, bytes, bytes]] = []
        self.gone: set[bytes] = set()  # values whose keys were shredded, for certain
        self.going: list[bytes] = []  # ... by the write that comes next

    def seal(self, subject: str) -> None:
        text = b"%d" % (len(self.made) + len(self.kept))
        self.made.append((subject, self.sealer.seal(subject, PRIVATE, HERE, text), text))

    def write(self, full: bool) -> None:
        self.shelf.full = full
        puts = self.sealer.pending_puts()
        try:
            self.shelf.write(puts)
        except StoreFull:
            return
        self.sealer.landed(puts)
        self.kept += self.made
        self.gone.update(self.going)
        self.made, self.going = [], []

    def shred(self, subject: str) -> None:
        self.sealer.shred(subject)
        self.going += [value for who, value, _ in self.kept + self.made if who == subject]

    def crash(self) -> None:
        self.made, self.going = [], []
        self.sealer = KeySealer(self.shelf, OLD, self.limits)

    def check(self) -> None:
        lost = self.gone | set(self.going)
        for subject, value, text in self.kept + self.made:
            if value in lost:
                with pytest.raises(Shredded):
                    self.sealer.open(subject, HERE, value)
            else:
                assert self.sealer.open(subject, HERE, value) == text


steps = st.sampled_from(
    ["seal a", "seal b", "seal c", "write", "write full", "crash", "shred a", "shred b", "new a"]
)


@settings(max_examples=200)
@given(st.lists(steps, max_size=40))
def test_whatever_happens_what_was_kept_opens_or_was_shredded(steps: list[str]) -> None:
    life = Life()
    for step in steps:
        what, _, subject = step.partition(" ")
        if what == "seal":
            life.seal(subject)
        elif what == "write":
            life.write(full=bool(subject))
        elif what == "shred":
            life.shred(subject)
        elif what == "new":
            life.sealer.rotate_data_keys(subject)
        else:
            life.crash()
        life.check()
    life.crash()
    life.check()


# -- shredding


def test_a_shredded_subject_is_unreadable_for_ever_and_begins_anew() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    values = [sealer.seal("ann", PRIVATE, HERE, b"1")]
    sealer.rotate_data_keys("ann")
    values.append(sealer.seal("ann", PRIVATE, HERE, b"2"))
    bob = sealer.seal("bob", PRIVATE, HERE, b"3")
    public = sealer.seal("ann", PUBLIC, HERE, b"4")
    keep(shelf, sealer)
    wrapped = [row for name, row in shelf.kept[Family.KEYS].items() if name.startswith(b"ann")]
    assert shred(shelf, sealer, "ann") == 2
    assert shelf.calls[-3:] == ["checkpoint", "compact", "checkpoint"]
    assert not set(wrapped) & set(shelf.kept[Family.KEYS].values())
    new = sealer.seal("ann", PRIVATE, HERE, b"5")
    keep(shelf, sealer)
    for each in (sealer, KeySealer(shelf, OLD)):
        for value in values:
            with pytest.raises(Shredded, match="the data of subject 'ann' was shredded"):
                each.open("ann", HERE, value)
        assert key_of(new) == 3
        assert each.open("ann", HERE, new) == b"5"
        assert each.open("bob", HERE, bob) == b"3"
        assert each.open("ann", HERE, public) == b"4"
    assert shred(shelf, sealer, "nobody") == 0


def test_a_subject_is_shredded_before_its_key_is_on_disk() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    late = sealer.pending_puts()
    assert sealer.shred("ann") == 1
    shelf.write(late)  # was on its way
    sealer.landed(late)
    keep(shelf, sealer)
    with pytest.raises(Shredded):
        KeySealer(shelf, OLD).open("ann", HERE, value)


@pytest.mark.parametrize("kind", ["sqlite", "rocksdb"])
def test_a_shredded_key_is_in_no_file(tmp_path: Path, kind: str) -> None:
    backend = open_backend(tmp_path, kind)
    sealer = KeySealer(backend, OLD)
    values = {f"user{n}": sealer.seal(f"user{n}", PRIVATE, HERE, b"x") for n in range(50)}
    keep(backend, sealer)
    rows = dict(backend.scan(Family.KEYS))
    assert shred(backend, sealer, "user7") == 1
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    parts = range(9, 61, 8)  # a table that is compressed may have them apart
    found = [name for name, row in rows.items() if any(row[n : n + 8] in files for n in parts)]
    assert found == [name for name in rows if not name.startswith(b"user7\0")]
    backend.close()
    again = open_backend(tmp_path)
    reader = KeySealer(again, OLD)
    with pytest.raises(Shredded):
        reader.open("user7", HERE, values.pop("user7"))
    assert all(reader.open(who, HERE, value) == b"x" for who, value in values.items())
    again.close()
