"""Sealing with keys: what is private opens for its subject at its place only, and the keys survive what happens."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import StoreCorrupt, StoreError
from loom.event import PUBLIC, Confidentiality, Label
from loom.store import Family, Put
from loom.store._master_key import MasterKey
from loom.store.crypto import KeySealer, Limits, rotate, shred
from loom.store.sealing import CHECK, HEAD, TAIL, place
from tests.store.shelf import Shelf

OLD, NEW = MasterKey(bytes(range(32))), MasterKey(bytes(range(1, 33)))
PRIVATE, LOCAL = Label(Confidentiality.PRIVATE), Label(Confidentiality.LOCAL_ONLY, True)
HERE, THERE = place(Family.STATES, b"a"), place(Family.STATES, b"b")

subjects = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
labels = st.builds(Label, st.sampled_from(Confidentiality), st.booleans())
data = st.binary(max_size=80) | st.sampled_from([HEAD, TAIL, HEAD + b"\1" + bytes(40) + b"\1" + TAIL])


def keep(shelf: Shelf, sealer: KeySealer) -> None:
    """What the writer does at each write."""
    puts = sealer.pending_puts()
    shelf.write(puts)
    sealer.landed(puts)


@given(subjects, labels, st.binary(max_size=20), data)
def test_what_is_sealed_opens_after_a_restart(subject: str, label: Label, aad: bytes, data: bytes) -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal(subject, label, aad, data)
    assert sealer.open(subject, aad, value) == data
    keep(shelf, sealer)
    assert KeySealer(shelf, OLD).open(subject, aad, value) == data


@given(data)
def test_private_and_local_only_data_is_not_to_be_found_in_what_is_kept(data: bytes) -> None:
    sealer = KeySealer(Shelf(), OLD)
    for label in (PRIVATE, LOCAL):
        value = sealer.seal("ann", label, HERE, b"my secret " + data)
        assert b"secret" not in value
        assert value != sealer.seal("ann", label, HERE, b"my secret " + data)
    assert sealer.seal("ann", Label(Confidentiality.SENSITIVE), HERE, b"my secret") == b"my secret"


@given(data, st.data())
def test_any_byte_that_is_tampered_with_is_detected(data: bytes, draw: st.DataObject) -> None:
    sealer = KeySealer(Shelf(), OLD)
    value = bytearray(sealer.seal("ann", PRIVATE, HERE, data))
    value[draw.draw(st.integers(0, len(value) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(StoreCorrupt):
        sealer.open("ann", HERE, bytes(value))


@given(data, st.data())
def test_a_data_key_that_is_tampered_with_is_detected(data: bytes, draw: st.DataObject) -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, data)
    keep(shelf, sealer)
    [(name, row)] = shelf.kept[Family.KEYS].items()
    damaged = bytearray(row)
    damaged[draw.draw(st.integers(0, len(row) - 1))] ^= draw.draw(st.integers(1, 255))
    shelf.kept[Family.KEYS][name] = bytes(damaged)
    again = KeySealer(shelf, OLD)
    with pytest.raises(StoreCorrupt, match="data key 1 of subject 'ann' is damaged"):
        again.open("ann", HERE, value)
    assert "data key 1 of subject 'ann' is damaged" in "".join(again.verify())


@given(subjects, subjects, data)
def test_subjects_cannot_open_each_others_values(one: str, other: str, data: bytes) -> None:
    sealer = KeySealer(Shelf(), OLD)
    values = {who: sealer.seal(who, PRIVATE, HERE, data) for who in (one, other)}
    if one != other:
        with pytest.raises(StoreCorrupt):
            sealer.open(one, HERE, values[other])


def test_the_data_key_of_a_subject_does_not_pass_for_that_of_another() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    sealer.seal("ann", PRIVATE, HERE, b"x")
    value = sealer.seal("bob", PRIVATE, HERE, b"x")
    keep(shelf, sealer)
    rows = shelf.kept[Family.KEYS]
    ann, bob = sorted(rows)
    rows[ann] = rows[bob]
    with pytest.raises(StoreCorrupt, match="data key 1 of subject 'ann' is damaged"):
        KeySealer(shelf, OLD).open("ann", HERE, value)


def test_a_value_does_not_open_at_another_place() -> None:
    sealer = KeySealer(Shelf(), OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    with pytest.raises(StoreCorrupt, match=r"subject 'ann' does not open in its place \(states, key b'b'\)"):
        sealer.open("ann", THERE, value)


def test_a_subject_without_a_key_is_said() -> None:
    sealer = KeySealer(Shelf(), OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"x")
    with pytest.raises(StoreCorrupt, match="no data key 1 of subject 'bob'"):
        sealer.open("bob", HERE, value)


@pytest.mark.parametrize("subject", ["a\0b", "\ud800"])
def test_a_subject_that_cannot_be_kept_is_refused(subject: str) -> None:
    with pytest.raises(StoreError, match="cannot be kept"):
        KeySealer(Shelf(), OLD).seal(subject, PRIVATE, HERE, b"x")


# -- digests


@given(subjects, labels, data)
def test_digests_of_equal_data_are_equal_and_survive_rotations(
    subject: str, label: Label, data: bytes
) -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    digest = sealer.digest(subject, label, data)
    sealer.rotate_data_keys(subject)
    keep(shelf, sealer)
    rotate(shelf, OLD, NEW)
    again = KeySealer(shelf, NEW)
    assert digest == again.digest(subject, label, data)
    assert len(digest) == 32
    assert digest != again.digest(subject, label, data + b"x")


def test_nobody_without_the_key_can_compute_the_digest_of_private_data() -> None:
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    digests = {
        hashlib.sha256(b"x").digest(),
        sealer.digest("ann", PRIVATE, b"x"),
        sealer.digest("bob", PRIVATE, b"x"),
        KeySealer(Shelf(), OLD).digest("ann", PRIVATE, b"x"),  # another store
    }
    assert len(digests) == 4
    assert sealer.digest("ann", PUBLIC, b"x") in digests
    keep(shelf, sealer)
    before = sealer.digest("ann", PRIVATE, b"x")
    shred(shelf, sealer, "ann")
    assert sealer.digest("ann", PRIVATE, b"x") != before


def test_two_threads_share_a_sealer() -> None:
    from concurrent.futures import ThreadPoolExecutor

    shelf = Shelf()
    sealer = KeySealer(shelf, OLD, Limits(seals=50, reserve=7, cached=1))

    def work(who: str) -> list[bytes]:
        return [sealer.seal(who, PRIVATE, HERE, b"%d" % n) for n in range(200)]

    with ThreadPoolExecutor(2) as threads:
        values = dict(zip("ab", threads.map(work, "ab"), strict=True))
    for who, kept in values.items():
        assert [sealer.open(who, HERE, value) for value in kept] == [b"%d" % n for n in range(200)]
        assert max(map(kept.count, kept)) == 1


def test_a_written_store_holds_what_the_format_says() -> None:
    """The rows as they are on disk: a change here is a change of the format."""
    shelf = Shelf()
    sealer = KeySealer(shelf, OLD)
    value = sealer.seal("ann", PRIVATE, HERE, b"abc")
    keep(shelf, sealer)
    [(name, row)] = shelf.kept[Family.KEYS].items()
    assert name == b"ann\0" + bytes(7) + b"\1"
    assert (row[:9], len(row)) == (b"\1" + (1024).to_bytes(8, "big"), 69)
    assert (value[:12], value[-4:], len(value)) == (HEAD + b"\1" + bytes(7) + b"\1", b"\1" + TAIL, 3 + 44)
    assert len(shelf.kept[Family.META][CHECK]) == 48
    assert Put(Family.META, CHECK, shelf.kept[Family.META][CHECK]) not in sealer.pending_puts()
