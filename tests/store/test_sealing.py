"""Frames, and the sealer without a key: plain data is kept as it is and never taken for something sealed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import MissingKey, StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Label
from loom.store import Family, Put
from loom.store.sealing import (
    CHECK,
    HEAD,
    TAIL,
    PlainSealer,
    Sealed,
    Sealer,
    escape,
    must_seal,
    open_sealer,
    parse,
    place,
    sealed,
)
from tests.store.shelf import Shelf

ends = st.sampled_from([b"", HEAD, TAIL, HEAD + b"\0", b"\0" + TAIL, HEAD + b"\1", b"\1" + TAIL])
data = st.builds(lambda a, b, c: a + b + c, ends, st.binary(max_size=60), ends)
frames = st.builds(
    Sealed,
    st.integers(0, 2**64 - 1),
    st.binary(min_size=12, max_size=12),
    st.binary(min_size=16, max_size=80),
)


@given(data)
def test_plain_data_comes_back_whatever_it_looks_like(data: bytes) -> None:
    assert parse(escape(data)) == data
    sealer: Sealer = PlainSealer()
    assert sealer.open("ann", b"", sealer.seal("ann", Label(Confidentiality.LOCAL_ONLY), b"", data)) == data


@given(st.binary(max_size=60))
def test_plain_data_is_kept_as_it_is_unless_it_looks_like_a_frame(data: bytes) -> None:
    framed = data.startswith(HEAD) or data.endswith(TAIL)
    assert (escape(data) == data) is not framed


@given(frames)
def test_a_sealed_frame_comes_apart_as_it_was_put_together(value: Sealed) -> None:
    assert parse(sealed(value)) == value


@given(frames, st.data())
def test_one_damaged_byte_never_makes_a_sealed_value_plain(value: Sealed, data: st.DataObject) -> None:
    frame = bytearray(sealed(value))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert isinstance(parse(bytes(frame)), Sealed)
    except StoreCorrupt:
        pass


@given(frames, st.data())
def test_a_sealed_value_cut_at_one_end_is_corrupt(value: Sealed, data: st.DataObject) -> None:
    frame = sealed(value)
    cut = data.draw(st.integers(1, len(frame) - 3))
    for rest in (frame[:-cut], frame[cut:]):
        with pytest.raises(StoreCorrupt):
            parse(rest)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (HEAD, "ends do not belong together"),
        (TAIL, "ends do not belong together"),
        (HEAD + b"\0" + TAIL, "ends do not belong together"),
        (HEAD + b"\7 \7" + TAIL, "does not know form 7"),
        (HEAD + b"\1" + bytes(35) + b"\1" + TAIL, "cut short"),
    ],
)
def test_what_is_wrong_with_a_frame_is_said(value: bytes, why: str) -> None:
    with pytest.raises(StoreCorrupt, match=why):
        parse(value)


def test_private_and_local_only_are_sealed_and_trust_does_not_matter() -> None:
    decided = {str(label): must_seal(label) for c in Confidentiality for label in (Label(c), Label(c, True))}
    assert {name for name, must in decided.items() if must} == {
        "private", "private, untrusted", "local-only", "local-only, untrusted",
    }  # fmt: skip


def test_without_a_key_a_sealed_value_says_what_to_set() -> None:
    value = sealed(Sealed(1, bytes(12), bytes(16)))
    with pytest.raises(MissingKey, match="set LOOM_KEY"):
        PlainSealer().open("ann", b"", value)


def test_without_a_key_a_sealed_store_does_not_open_and_a_plain_one_does() -> None:
    shelf = Shelf()
    assert isinstance(open_sealer(shelf, None), PlainSealer)
    shelf.write([Put(Family.META, CHECK, b"x" * 48)])
    with pytest.raises(MissingKey, match="this store is sealed and no key is given"):
        open_sealer(shelf, None)


def test_the_sealer_without_a_key_has_nothing_to_write() -> None:
    sealer = PlainSealer()
    assert sealer.digest("ann", PUBLIC, b"abc") == hashlib.sha256(b"abc").digest()
    assert sealer.pending_puts() == []
    sealer.landed([])


@given(st.sampled_from(Family), st.binary(max_size=9), st.sampled_from(Family), st.binary(max_size=9))
def test_two_places_are_never_the_same(one: Family, key: bytes, other: Family, name: bytes) -> None:
    assert (place(one, key) == place(other, name)) is ((one, key) == (other, name))
