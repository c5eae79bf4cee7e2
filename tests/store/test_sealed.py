"""A sealed store is a store like any other, and nothing private can be found in its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.agent._timer_row import StoredTimer, encode_timer
from loom.errors import MissingKey, Shredded, StoreCorrupt, StoreFull, WrongKey
from loom.event import Confidentiality, Event, Label
from loom.journal.row import flat_event
from loom.journal.steps import StepRow, step_row
from loom.store import Backend, Family, Put
from loom.store._master_key import MasterKey, generate_key_file
from loom.store._subjects import SEALED, label_of, subject_of, usable
from loom.store.crypto import KeySealer, shred
from loom.store.families import join, number, unnumber
from loom.store.sealed import SealedBackend, open_store
from loom.store.sealing import HEAD, TAIL, PlainSealer
from loom.store.sqlite import SqliteBackend
from tests.store.conformance import Keeping
from tests.store.shelf import Shelf

KEY = MasterKey(bytes(range(32)))
PRIVATE = Label(Confidentiality.PRIVATE)


def event_row(text: str = "my secret", subject: str | None = "ann", label: Label = PRIVATE) -> bytes:
    metadata = {} if subject is None else {"subject": subject, "l": "hall"}
    return flat_event(
        Event("said", text, id="e", timestamp_ms=5, topic="mic.kitchen", label=label, metadata=metadata)
    )


def step(subject: str, label: Label = PRIVATE, change: bytes | None = b'{"n":"my secret"}') -> bytes:
    return step_row(StepRow(3, "", "ear", "e-3", 1, 5, subject, label, change))


def state(subject: str = "", label: Label = PRIVATE) -> bytes:
    """As loom.agent._kept writes it; tests/agent hold it to that."""
    facts = {"v": 1, "n": 0, **({"u": subject} if subject else {})}
    if label != Label():
        facts["l"] = [int(label.confidentiality), int(label.untrusted)]
    return json.dumps(facts).encode() + b'\n{"heard":"my secret"}'


def timer(event: bytes) -> bytes:
    return encode_timer(StoredTimer("ear", "t1", "after", {}, 5, "once", event))


def sealed(shelf: Shelf) -> SealedBackend:
    return SealedBackend(shelf, KeySealer(shelf, KEY))


class TestSealed(Keeping):
    kind = "sqlite"

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
    store.write([Put(Family.CHANGES, b"a", b"1"), Put(Family.CHANGES, b"b", b"2")])
    states = shelf.kept[Family.CHANGES]
    states[b"a"], states[b"b"] = states[b"b"], states[b"a"]
    with pytest.raises(StoreCorrupt):
        store.get(Family.CHANGES, b"a")


@given(st.data())
def test_any_byte_of_a_sealed_row_that_is_tampered_with_is_detected(data: st.DataObject) -> None:
    shelf = Shelf()
    store = sealed(shelf)
    store.write([Put(Family.STATES, b"ear", state("ann"))])
    row = bytearray(shelf.kept[Family.STATES][b"ear"])
    row[data.draw(st.integers(0, len(row) - 1))] ^= data.draw(st.integers(1, 255))
    shelf.kept[Family.STATES][b"ear"] = bytes(row)
    with pytest.raises(StoreCorrupt):
        store.get(Family.STATES, b"ear")


def private_rows(subject: str) -> list[Put]:
    """One row of each family, of the same subject."""
    return [
        Put(Family.JOURNAL, number(3), event_row(subject=subject)),
        Put(Family.STEPS, join(number(3), "ear.hear"), step(subject)),
        Put(Family.STATES, b"ear", state(subject)),
        Put(Family.CHANGES, join("ear", number(1)), b'{"heard":"my secret"}'),
        Put(Family.BASES, join("ear", number(3)), state(subject)),
        Put(Family.RECORDS, join("ear", "e-3", "hear", number(0)), b'{"result":"my secret"}'),
        Put(Family.EFFECTS, b"ear/hear/e-3/0", b'{"label":[2,0],"arguments":{"text":"my secret"}}'),
        Put(Family.TIMERS, join("ear", "t1"), timer(event_row(subject=subject))),
        Put(Family.BLOBS, join(subject, "private", b"\0\1"), b"my secret"),
    ]


def told_rows() -> list[Put]:
    """What is told of failures, in which anything may be."""
    texts = (b'{"label":"public","error":"my secret"}', b'["my secret"]')
    return [
        Put(family, number(1), text) for family, text in zip((Family.DEAD, Family.NOTES), texts, strict=True)
    ]


def public_rows() -> list[Put]:
    return [
        Put(Family.JOURNAL, number(4), event_row(label=Label())),
        Put(Family.STEPS, join(number(4), "ear.hear"), step("ann", Label())),
        Put(Family.STEPS, join(number(4), "ear.see"), step("ann", change=None)),
        Put(Family.STATES, b"eye", state("ann", Label())),
        Put(Family.BASES, join("eye", number(3)), state("ann", Label())),
        Put(Family.EFFECTS, b"eye/hear/e-4/0", b'{"arguments":{}}'),
        Put(Family.TIMERS, join("eye", "t1"), timer(event_row(label=Label(untrusted=True)))),
        Put(Family.TIMERS, join("eye", "t2"), timer(b"")),
        Put(Family.BLOBS, join("ann", "sensitive, untrusted", b"\0\1"), b"x"),
    ]


def test_private_rows_are_sealed_and_public_ones_are_as_they_were() -> None:
    shelf = Shelf()
    store = sealed(shelf)
    rows = [*private_rows("ann"), *told_rows()]
    assert {put.family for put in rows} == SEALED
    store.write([Put(Family.IDS, b"e-3", number(3))])
    store.write(rows)
    kept = [value for family in shelf.kept.values() for value in family.values()]
    assert not any(b"secret" in value or b"bXkgc2Vjc" in value for value in kept)
    store.write(public_rows())
    assert all(shelf.kept[family][key] == row for family, key, row in public_rows())
    for each in (store, sealed(shelf)):
        assert all(each.get(family, key) == row for family, key, row in (*rows, *public_rows()))


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
    hers = private_rows("ann")
    others = [
        *public_rows(),
        *told_rows(),
        Put(Family.JOURNAL, number(1), event_row(subject="bob")),
        Put(Family.JOURNAL, number(5), event_row(subject=None)),
        Put(Family.STEPS, join(number(3), "mouth.say"), step("bob")),
        Put(Family.STATES, b"mouth", state()),
        Put(Family.CHANGES, join("mouth", number(1)), b"{}"),
        Put(Family.RECORDS, join("ear", "e-1", "hear", number(0)), b"{}"),
        Put(Family.EFFECTS, b"ear/hear/e-1/0", b'{"label":[3,1]}'),
    ]
    ids = [Put(Family.IDS, b"e-3", number(3)), Put(Family.IDS, b"e-1", number(1))]
    store.write([put for put in (*ids, *hers, *others) if put.family in (Family.IDS, Family.JOURNAL)])
    store.write([*hers[1:], *others])
    assert isinstance(store.sealer, KeySealer)
    assert shred(shelf, store.sealer, "ann") == 1
    for each in (store, sealed(shelf)):
        assert [put.family for put in hers if each.get(put.family, put.key) is not None] == []
        assert [put for put in others if each.get(put.family, put.key) != put.value] == []
        assert [unnumber(key) for key, _ in each.scan(Family.JOURNAL)] == [1, 4, 5]
        assert each.scan(Family.JOURNAL, number(2), limit=1)[0][0] == number(4)
        assert [key for key, _ in each.scan(Family.STATES)] == [b"eye", b"mouth"]
        assert each.get(Family.IDS, b"e-3") == number(3)


@pytest.mark.parametrize("together", [True, False])
def test_whose_a_row_is_when_it_came_of_another_one(together: bool) -> None:
    store = sealed(Shelf())
    store.write([Put(Family.IDS, b"e-3", number(3))])
    rows = private_rows("ann")
    if together:
        store.write(rows)
    else:
        for row in rows:
            store.write([row])
    assert [store.subject(put.family, put.key) for put in rows] == ["ann"] * len(rows)
    assert store.subject(Family.JOURNAL, number(9)) == ""
    assert store.subject(Family.POSITIONS, b"x") == ""


def test_an_effect_of_an_event_that_nobody_knows_is_nobodys() -> None:
    store = sealed(Shelf())
    puts = [Put(Family.EFFECTS, key, b'{"label":[2,0]}') for key in (b"ear/hear/e-9/0", b"odd")]
    store.write([*puts, Put(Family.RECORDS, b"odd", b"{}")])
    assert [store.subject(put.family, put.key) for put in puts] == ["", ""]


@pytest.mark.parametrize("subject", [None, 5, "a\0b", "\ud800", "x" * 513])
def test_a_subject_that_cannot_be_kept_is_nobodys(subject: object) -> None:
    assert usable(subject) == ""
    if isinstance(subject, str):
        store = sealed(Shelf())
        store.write([Put(Family.JOURNAL, number(1), event_row(subject=subject))])
        assert store.subject(Family.JOURNAL, number(1)) == ""


@given(st.sampled_from(sorted(SEALED)), st.binary(max_size=40), st.binary(max_size=60))
def test_rows_that_make_no_sense_have_a_label_and_a_subject_all_the_same(
    family: Family, key: bytes, row: bytes
) -> None:
    assert label_of(family, key, row) in (Label(), PRIVATE)
    assert family is Family.BLOBS or subject_of(family, key, row) in ("", None)


@pytest.mark.parametrize(
    "header", ['{"l":[9,0]}', '{"l":[]}', '{"l":["x"]}', '{"l":[{}]}', '{"l":5', '["l":]']
)
def test_a_label_that_is_not_known_is_taken_to_be_private(header: str) -> None:
    assert label_of(Family.JOURNAL, b"", f"t\n{header}\n".encode()) == PRIVATE


@given(st.sampled_from(Confidentiality), st.booleans())
def test_the_label_of_an_event_is_found_in_its_row(level: Confidentiality, untrusted: bool) -> None:
    label = Label(level, untrusted)
    assert label_of(Family.JOURNAL, b"", event_row(label=label)) == label
    assert label_of(Family.STATES, b"ear", state("ann", label)) == label
    assert label_of(Family.STEPS, b"", step("ann", label)) == label
    assert label_of(Family.TIMERS, b"", timer(event_row(label=label))) == label
    assert label_of(Family.BLOBS, join("ann", str(label), b"\0\1"), b"") == label


def test_a_store_opens_with_its_key_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOM_KEY", raising=False)
    folder = tmp_path / "data"
    for name in ("a.key", "b.key"):
        generate_key_file(str(tmp_path / name))
    store = open_store(folder, str(tmp_path / "a.key"))
    store.write([Put(Family.STATES, b"ear", state())])
    store.close()
    assert not any(b"secret" in path.read_bytes() for path in folder.iterdir())
    with pytest.raises(MissingKey):
        open_store(folder)
    with pytest.raises(WrongKey):
        open_store(folder, str(tmp_path / "b.key"))
    store = open_store(folder, str(tmp_path / "a.key"), read_only=True)
    assert store.get(Family.STATES, b"ear") == state()
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
    store.write([Put(Family.STATES, b"ear", state("ann"))])
    assert isinstance(store.sealer, KeySealer)
    store.sealer.shred("ann")
    with pytest.raises(Shredded):
        store.opened(Family.STATES, b"ear", shelf.kept[Family.STATES][b"ear"])
