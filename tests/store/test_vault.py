"""The vault: what was packed comes back, large leaves are kept once, and none is taken for kept that is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import StoreCorrupt
from loom.event import PUBLIC, Confidentiality, Event, Label
from loom.store import Family, Put
from loom.store.vault import Vault, read_label, subject_of
from tests.store.shelf import Shelf

NOBODY = ("", PUBLIC)
PRIVATE = ("u1", Label(Confidentiality.PRIVATE))
NAMES = st.text(max_size=3) | st.just("$leaf")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["x" * 600, "ä" * 400, "$leaf"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.just("$leaf"), inner, max_size=3)
    ),
    max_leaves=8,
)


def kept(shelf: Shelf, puts: list[Put]) -> int:
    shelf.write(puts)
    return len(puts)


@given(JSON, st.sampled_from([NOBODY, PRIVATE]))
def test_what_was_packed_comes_back(value: Any, whose: Any) -> None:
    shelf, puts = Shelf(), []  # type: ignore[var-annotated]
    data = Vault(shelf).pack(whose, value, puts)
    shelf.write(puts)
    assert Vault(shelf).unpack(whose, data) == value
    assert len(data) < 600 or not puts or len(data) < len(str(value))


def test_a_leaf_is_kept_once_for_each_subject_and_label() -> None:
    shelf = Shelf()
    vault = Vault(shelf)
    for whose in (NOBODY, PRIVATE, NOBODY, PRIVATE):
        puts: list[Put] = []
        vault.pack(whose, ["x" * 1000, {"again": "x" * 1000}], puts)
        kept(shelf, puts)
    assert len(shelf.kept[Family.BLOBS]) == 2
    puts = []
    vault.pack(NOBODY, "x" * 1000, puts)
    assert puts == []


def test_after_a_write_that_failed_everything_is_written_again() -> None:
    vault = Vault(Shelf())
    first: list[Put] = []
    vault.pack(NOBODY, "x" * 1000, first)
    vault.forget()
    second: list[Put] = []
    vault.pack(NOBODY, "x" * 1000, second)
    assert first == second != []


def test_what_it_remembers_is_bounded() -> None:
    vault = Vault(Shelf())
    for n in range(5000):
        vault.shelve(NOBODY, {n.to_bytes(16, "big"): b"x"})
    assert len(vault._known) <= 4096
    assert vault.shelve(NOBODY, {(4999).to_bytes(16, "big"): b"x"}) == []
    assert len(vault.shelve(NOBODY, {(0).to_bytes(16, "big"): b"x"})) == 1


@pytest.mark.parametrize("damage", [None, b"y" * 1000])
def test_a_missing_or_damaged_leaf_is_told(damage: bytes | None) -> None:
    shelf, puts = Shelf(), []  # type: ignore[var-annotated]
    data = Vault(shelf).pack(NOBODY, {"text": "x" * 1000}, puts)
    shelf.write([Put(family, key, damage) for family, key, _ in puts])
    with pytest.raises(StoreCorrupt):
        Vault(shelf).unpack(NOBODY, data)


def test_subjects_and_labels() -> None:
    assert subject_of(Event("t")) == ""
    assert subject_of(Event("t", metadata={"subject": "u1"})) == "u1"
    assert read_label(None) is PUBLIC
    label = Label(Confidentiality.PRIVATE, True)
    assert read_label([int(label.confidentiality), int(label.untrusted)]) == label
