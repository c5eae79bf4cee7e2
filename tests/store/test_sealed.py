"""A sealed store is a store like any other, and nothing private can be found in its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreFull, WrongKey
from loom.event import Confidentiality, Event, Label
from loom.store import Backend, Family, Put
from loom.store._master_key import MasterKey, generate_key_file
from loom.store._subjects import (
    SEALED,
    event_of_effect,
    label_of,
    number_of_step,
    subject_of_event,
    subject_of_key,
    usable,
)
from loom.store.crypto import KeySealer, shred
from loom.store.families import join, number
from loom.store.sealed import SealedBackend, open_store
from loom.store.sealing import HEAD, TAIL, PlainSealer
from loom.store.sqlite import SqliteBackend
from tests.store.conformance import Conformance
from tests.store.shelf import Shelf

KEY = MasterKey(bytes(range(32)))
PRIVATE = Label(Confidentiality.PRIVATE)
encode_event = pytest.importorskip("loom.journal.row").encode_event


def event_row(text: str = "my secret", subject: str | None = "ann", label: Label = PRIVATE) -> bytes:
    metadata = {} if subject is None else {"subject": subject, "room": "hall"}
    return b"".join(encode_event(Event("said", text, topic="mic.kitchen", label=label, metadata=metadata)))


def sealed(shelf: Shelf) -> SealedBackend:
    return SealedBackend(shelf, KeySealer(shelf, KEY))


class TestSealed(Conformance):
    kind = "sqlite"
    test_the_kind_is_found_and_the_other_one_refused = None  # asks for the class of the store below
    test_an_older_format_is_brought_up_step_by_step = None  # steps work on rows as they are kept

    def open(self, folder: Path, read_only: bool = False) -> Backend:
        backend = SqliteBackend(folder, read_only=read_only)
        try:
            return SealedBackend(backend, KeySealer(backend, KEY))
        except BaseException:
            backend.close()
            raise


content = st.binary(max_size=40) | st.sampled_from([HEAD, TAIL, HEAD + b"S", HEAD + b"S\0\0" + TAIL])


@given(
    st.dictionaries(st.tuples(st.sampled_from(sorted(SEALED)), st.binary(min_size=1, max_size=12)), content)
)
def test_whatever_is_kept_comes_back_and_only_from_its_place(rows: dict[tuple[Family, bytes], bytes]) -> None:
    for with_key in (True, False):
        shelf = Shelf()
        store = sealed(shelf) if with_key else SealedBackend(shelf, PlainSealer())
        store.write([Put(family, key, value) for (family, key), value in rows.items()])
        again = sealed(shelf)
        for (family, key), value in rows.items():
            assert store.get(family, key) == value
            assert again.get(family, key) == value
        for family in SEALED:
            wanted = sorted((key, value) for (where, key), value in rows.items() if where == family)
            assert again.scan(family, limit=100) == wanted
            assert store.scan(family, limit=1) == wanted[:1]


def test_a_row_that_was_moved_does_not_open() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    store.write([Put(Family.STATES, b"a", b"1"), Put(Family.STATES, b"b", b"2")])
    states = shelf.kept[Family.STATES]
    states[b"a"], states[b"b"] = states[b"b"], states[b"a"]
    with pytest.raises(StoreCorrupt):
        store.get(Family.STATES, b"a")


@given(st.data())
def test_any_byte_of_a_sealed_row_that_is_tampered_with_is_detected(data: st.DataObject) -> None:
    shelf = Shelf()
    store = sealed(shelf)
    store.write([Put(Family.STATES, b"room/ann", b"1")])
    row = bytearray(shelf.kept[Family.STATES][b"room/ann"])
    row[data.draw(st.integers(0, len(row) - 1))] ^= data.draw(st.integers(1, 255))
    shelf.kept[Family.STATES][b"room/ann"] = bytes(row)
    with pytest.raises(StoreCorrupt):
        store.get(Family.STATES, b"room/ann")


def test_private_events_and_everything_agents_made_is_sealed_and_public_events_are_not() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    public = event_row("the weather", label=Label())
    store.write(
        [
            Put(Family.JOURNAL, number(1), event_row()),
            Put(Family.JOURNAL, number(2), public),
            *(Put(family, b"x", b"my secret") for family in SEALED - {Family.JOURNAL}),
        ]
    )
    kept = [value for rows in shelf.kept.values() for value in rows.values()]
    assert not any(b"secret" in value for value in kept)
    assert shelf.kept[Family.JOURNAL][number(2)] == public


def test_names_numbers_and_moments_stay_in_the_clear() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    puts = [Put(family, b"x", b"y") for family in Family if family not in SEALED]
    store.write(puts)
    assert all(shelf.kept[put.family][b"x"] == b"y" for put in puts)
    assert len(shelf.kept[Family.KEYS]) == 1


def test_data_keys_are_in_the_write_that_needs_them_first_also_after_one_that_failed() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    shelf.full = True
    with pytest.raises(StoreFull):
        store.write([Put(Family.STATES, b"a", b"1")])
    shelf.full = False
    store.write([Put(Family.STATES, b"b", b"2")])
    assert sealed(shelf).get(Family.STATES, b"b") == b"2"
    assert store.sealer.pending_puts() == []


def test_what_is_shredded_is_not_there_any_more_and_everything_else_is() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    hers = [
        Put(Family.JOURNAL, number(3), event_row()),
        Put(Family.IDS, b"e-3", number(3)),
        Put(Family.STEPS, join(number(3), "ear.hear"), b"[1]"),
        Put(Family.STATES, b"room/ann", b"{}"),
        Put(Family.TIMERS, join("room/ann", "t1"), b"{}"),
        Put(Family.RECORDS, join("room/ann", "e-9", "hear", number(0)), b"{}"),
    ]
    others = [
        Put(Family.JOURNAL, number(1), event_row(subject="bob")),
        Put(Family.JOURNAL, number(5), event_row(subject=None)),
        Put(Family.JOURNAL, number(6), event_row("the weather", "ann", Label())),
        Put(Family.STEPS, join(number(3), "clock.tick", "id"), b"[2]"),
        Put(Family.STATES, b"room/bob", b"{}"),
        Put(Family.STATES, b"ear", b"{}"),
        Put(Family.TIMERS, join("ear", "t1"), b"{}"),
    ]
    store.write([*hers, *others])
    effect = Put(Family.EFFECTS, b"ear/hear/e-3/0", b'{"arguments":"my secret"}')
    store.write([effect])
    assert isinstance(store.sealer, KeySealer)
    assert shred(shelf, store.sealer, "ann") == 1
    for each in (store, sealed(shelf)):
        kept = [put for put in (*hers, effect, *others) if each.get(put.family, put.key) is not None]
        assert kept == [hers[1], *others]
        assert [unnumber for unnumber, _ in each.scan(Family.JOURNAL)] == [number(1), number(5), number(6)]
        assert each.scan(Family.JOURNAL, number(2), limit=1)[0][0] == number(5)
        assert [key for key, _ in each.scan(Family.STATES)] == [b"ear", b"room/bob"]


def test_whose_a_row_is() -> None:
    store = sealed(Shelf())
    store.write(
        [
            Put(Family.JOURNAL, number(1), event_row()),
            Put(Family.JOURNAL, number(2), event_row("weather", "bob", Label())),
            Put(Family.STATES, b"room/kitchen/1", b"{}"),
        ]
    )
    assert store.subject(Family.JOURNAL, number(1)) == "ann"
    assert store.subject(Family.JOURNAL, number(2)) == "bob"
    assert store.subject(Family.JOURNAL, number(3)) == ""
    assert store.subject(Family.STATES, b"room/kitchen/1") == "kitchen/1"
    assert store.subject(Family.POSITIONS, b"x") == ""


@pytest.mark.parametrize(
    ("family", "key", "subject"),
    [
        (Family.STATES, b"room/ann", "ann"),
        (Family.STATES, b"room", ""),
        (Family.BASES, join("room/ann", number(5)), "ann"),
        (Family.TIMERS, join("room", "ann", "t1"), "ann"),
        (Family.TIMERS, join("room", "t1"), ""),
        (Family.BLOBS, join("ann", "private", b"\0\1\2"), "ann"),
        (Family.EFFECTS, b"room/ann/hear/e-3/0", "ann"),
        (Family.EFFECTS, b"ear/hear/e-3/0", None),
        (Family.EFFECTS, b"odd", None),
        (Family.STEPS, join(number(3), "ear.hear"), None),
    ],
)
def test_keys_say_whose_what_they_keep_is(family: Family, key: bytes, subject: str | None) -> None:
    assert subject_of_key(family, key) == subject


def test_the_event_behind_a_step_or_an_effect() -> None:
    assert number_of_step(join(number(256), "ear.hear")) == number(256)
    assert number_of_step(join(number(256), "ear.hear", "id")) is None
    assert event_of_effect(b"ear/hear/e-3/0") == b"e-3"
    assert event_of_effect(b"odd") is None


@pytest.mark.parametrize("subject", [None, 5, "a\0b", "\ud800", "x" * 513])
def test_a_subject_that_cannot_be_kept_is_nobodys(subject: object) -> None:
    assert usable(subject) == ""
    if isinstance(subject, str):
        store = sealed(Shelf())
        store.write([Put(Family.JOURNAL, number(1), event_row(subject=subject))])
        assert store.subject(Family.JOURNAL, number(1)) == ""


@given(st.binary(max_size=60))
def test_rows_that_make_no_sense_have_a_label_and_a_subject_all_the_same(row: bytes) -> None:
    assert label_of(Family.JOURNAL, row) in (Label(), PRIVATE)
    assert subject_of_event(row) == ""


@pytest.mark.parametrize("header", ['{"l":[9,0]}', '{"l":[]}', '{"l":["x"]}', '{"l":[{}]}'])
def test_a_label_that_is_not_known_is_taken_to_be_private(header: str) -> None:
    assert label_of(Family.JOURNAL, f"t\n{header}\n".encode()) == PRIVATE
    assert label_of(Family.JOURNAL, b't\n{"m":{"a":"\\"l\\":["},"subject":5}\n') == Label()
    assert subject_of_event(b't\n["subject":]\n') == subject_of_event(b't\n["subject"]\n') == ""


@given(st.sampled_from(Confidentiality), st.booleans())
def test_the_label_of_an_event_is_found_in_its_row(level: Confidentiality, untrusted: bool) -> None:
    label = Label(level, untrusted)
    assert label_of(Family.JOURNAL, event_row(label=label)) == label


def test_a_store_opens_with_its_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    folder = tmp_path / "data"
    for name in ("a.key", "b.key"):
        generate_key_file(str(tmp_path / name))
    store = open_store(folder, str(tmp_path / "a.key"))
    store.write([Put(Family.STATES, b"ear", json.dumps({"heard": "my secret"}).encode())])
    store.close()
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir())
    with pytest.raises(MissingKey):
        open_store(folder)
    with pytest.raises(WrongKey):
        open_store(folder, str(tmp_path / "b.key"))
    store = open_store(folder, str(tmp_path / "a.key"), read_only=True)
    assert store.get(Family.STATES, b"ear") == b'{"heard": "my secret"}'
    store.close()


def test_without_a_key_a_store_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    store = open_store(tmp_path / "data")
    store.write([Put(Family.STATES, b"ear", b"heard"), Put(Family.STATES, b"odd", HEAD)])
    store.close()
    plain = SqliteBackend(tmp_path / "data")
    assert plain.get(Family.STATES, b"ear") == b"heard"
    plain.close()
    generate_key_file(str(tmp_path / "a.key"))
    later = open_store(tmp_path / "data", str(tmp_path / "a.key"))
    assert later.get(Family.STATES, b"ear") == b"heard"
    assert later.get(Family.STATES, b"odd") == HEAD
    later.close()


def test_a_typed_error_says_what_was_shredded() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    store.write([Put(Family.STATES, b"room/ann", b"1")])
    assert isinstance(store.sealer, KeySealer)
    store.sealer.shred("ann")
    with pytest.raises(Shredded):
        store._opened(Family.STATES, b"room/ann", shelf.kept[Family.STATES][b"room/ann"])
