"""Large leaves: what is split comes back the same, nothing is taken for a reference, equal texts are kept once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import StoreCorrupt
from loom.store.leaves import digest_of, maybe_split, maybe_unite, references, split, unite

KEYS = st.sampled_from(["$leaf", "$$leaf", "$$$leaf", "leaf", "$", "a", ""]) | st.text(max_size=5)
TEXTS = st.text(st.characters(), max_size=60) | st.sampled_from(["t" + "0" * 32, "x" * 600, "€" * 200])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def largest(value: Any) -> int:
    """The UTF-8 bytes of the longest text that is no key."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(largest, inner), default=0)


@given(JSON, st.integers(40, 600))
def test_what_is_split_comes_back_the_same_through_json(value: Any, threshold: int) -> None:
    before = json.dumps(value)
    taken, leaves = split(value, threshold)
    assert json.dumps(value) == before
    assert largest(taken) < threshold
    assert all(len(data) >= threshold for data in leaves.values())
    assert references(taken) == set(leaves)
    back = unite(json.loads(json.dumps(taken)), leaves.get)
    assert json.dumps(back) == before


@given(JSON, st.integers(40, 600), st.booleans())
def test_the_short_cut_leads_to_the_same_place(value: Any, threshold: int, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii)
    taken, leaves = maybe_split(text, value, threshold)
    assert (taken, leaves) == split(value, threshold)
    kept = json.dumps(taken)
    assert maybe_unite(kept, json.loads(kept), leaves.get) == value


def test_a_short_text_is_not_walked_and_stays_the_same_object() -> None:
    value = {"a": ["b"]}
    assert maybe_split(json.dumps(value), value)[0] is value
    assert split(value)[0] is value
    assert maybe_split(json.dumps(value).encode(), value)[0] is value


def test_a_text_is_measured_in_utf8_bytes_whatever_its_json_looks_like() -> None:
    value = {"a": "€" * 200}  # 600 bytes in 200 characters
    text = json.dumps(value, ensure_ascii=False)
    assert len(text) < 512
    assert set(maybe_split(text, value)[1].values()) == {("€" * 200).encode()}


def test_the_same_text_in_two_values_is_kept_once_and_bytes_are_told_from_text() -> None:
    text = "x" * 600
    event, first = split({"body": text})
    state, second = split({"history": [text, text]})
    assert first == second == {digest_of("t", text.encode()): text.encode()}
    raw, third = split(text.encode())
    assert third.keys().isdisjoint(first)
    assert unite(raw, third.get) == text.encode()
    assert unite(event, first.get) == {"body": text}
    assert unite(state, second.get) == {"history": [text, text]}


def test_what_looks_like_a_reference_is_the_users_again() -> None:
    value = {"$leaf": "t" + "0" * 32}
    taken, leaves = maybe_split(json.dumps(value), value)
    assert taken == {"$$leaf": "t" + "0" * 32}
    assert leaves == {}
    assert unite(taken, leaves.get) == value


def test_a_tuple_is_a_list_once_something_in_it_was_taken() -> None:
    taken, leaves = split(("a", "x" * 600))
    assert unite(taken, leaves.get) == ["a", "x" * 600]


def test_a_leaf_that_is_missing_or_another_is_corrupt() -> None:
    taken, leaves = split(["x" * 600])
    with pytest.raises(StoreCorrupt, match="is missing"):
        unite(taken, {}.get)
    with pytest.raises(StoreCorrupt, match="is not what was kept"):
        unite(taken, dict.fromkeys(leaves, b"y").get)


@pytest.mark.parametrize("reference", [5, "t", "q" + "0" * 32, "t" + "z" * 32])
def test_a_reference_that_is_none_is_corrupt(reference: object) -> None:
    with pytest.raises(StoreCorrupt, match="refers to no large value"):
        unite({"$leaf": reference}, {}.get)
    with pytest.raises(StoreCorrupt, match="refers to no large value"):
        references({"a": [{"$leaf": reference}]})
