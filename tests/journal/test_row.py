"""An event as a row of the journal: everything comes back, large texts are kept once, the rest is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import InvalidEvent, PayloadTooLarge, StoreCorrupt
from loom.event import Confidentiality, Event, Label
from loom.journal.row import decode_event, encode_event, flat_event, read_flat, topic_of
from loom.store import Family, Put
from loom.store.vault import Vault
from tests.store.shelf import Shelf

ANY = st.text(st.characters(exclude_categories=()), max_size=6)
TEXT = st.text(max_size=6)
LONG = st.sampled_from(["x" * 600, "ä" * 300, "\n" * 700])
PAYLOADS = st.one_of(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | LONG,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.just("$leaf"), inner, max_size=4)
        ),
        max_leaves=6,
    ),
    st.binary(max_size=900),
)
LABELS = st.builds(Label, st.sampled_from(list(Confidentiality)), st.booleans())
EVENTS = st.builds(
    Event,
    TEXT.filter(bool),
    PAYLOADS,
    topic=st.sampled_from(["a", "a.b", "ä.ö"]),
    source=ANY,
    tags=st.lists(ANY, max_size=3).map(tuple),
    metadata=st.dictionaries(ANY, ANY, max_size=3),
    confidence=st.floats(0, 1),
    priority=st.integers(0, 100),
    timestamp_ms=st.integers(0, 2**45),
    key=st.none() | ANY,
    deadline_ms=st.none() | st.integers(0, 2**45),
    label=LABELS,
    hop=st.integers(0, 64),
    thread=st.none() | TEXT.filter(bool),
    scope=st.none() | TEXT.filter(bool),
    cause=st.none() | TEXT.filter(bool),
)


def facts(event: Event) -> tuple[Any, ...]:
    return (
        event.type, event.payload, type(event.payload), event.topic, event.source, event.tags, dict(event.metadata),
        event.confidence, event.priority, event.timestamp_ms, event.id, event.key, event.deadline_ms, event.label,
        event.hop, event.thread, event.scope, event.cause, event.content_type,
    )  # fmt: skip


@given(EVENTS, st.integers(1, 2**40))
@settings(max_examples=150, deadline=None)
def test_everything_comes_back(event: Event, seq: int) -> None:
    shelf, puts = Shelf(), []  # type: ignore[var-annotated]
    try:
        row = encode_event(event, Vault(shelf), puts)
    except InvalidEvent:
        return  # what cannot be read back is refused when it is published
    shelf.write(puts)
    again = decode_event(seq, row, Vault(shelf))
    assert facts(again)[:-1] == facts(event)[:-1]
    assert again.seq == seq
    assert topic_of(row) == event.topic
    assert facts(read_flat(flat_event(event)))[:-1] == facts(event)[:-1]


@pytest.mark.parametrize(
    "payload", ["x" * 5000, {"a": ["x" * 5000]}, b"x" * 5000], ids=["text", "inside", "bytes"]
)
def test_a_large_leaf_is_kept_once_and_missed_when_it_is_gone(payload: Any) -> None:
    shelf = Shelf()
    vault = Vault(shelf)
    rows = []
    for _ in range(3):
        puts: list[Put] = []
        rows.append(encode_event(Event("t", payload, topic="t"), vault, puts))
        shelf.write(puts)
    assert len(shelf.kept[Family.BLOBS]) == 1
    assert all(len(row) < 400 for row in rows)
    assert decode_event(1, rows[2], vault).payload == payload
    shelf.kept[Family.BLOBS].clear()
    with pytest.raises(StoreCorrupt):
        decode_event(1, rows[2], vault)


@pytest.mark.parametrize(
    "event",
    [
        Event("t", b"\xff", content_type="text/plain", topic="t"),
        Event("", topic="t"),
        Event("t", object(), topic="t"),
        Event("t", {1, 2}, topic="t"),
        Event("t", float("nan"), topic="t"),
    ],
    ids=["no text", "no type", "no form", "a set", "no number"],
)
def test_what_could_not_be_read_back_is_refused(event: Event) -> None:
    with pytest.raises(InvalidEvent):
        encode_event(event, Vault(Shelf()), [])


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        encode_event(Event("t", "x" * 101, topic="t"), Vault(Shelf()), [], limit=100)


@given(st.binary(max_size=60))
def test_a_row_that_makes_no_sense_is_told(row: bytes) -> None:
    with pytest.raises(StoreCorrupt, match=r"journal entry 7 .*loom store verify"):
        decode_event(7, row, Vault(Shelf()))


@given(EVENTS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_row_that_was_cut_is_told_or_is_another_event_but_never_an_unknown_error(
    event: Event, data: Any
) -> None:
    vault = Vault(Shelf())
    try:
        row = encode_event(event, vault, [])
    except InvalidEvent:
        return
    cut = row[: data.draw(st.integers(0, len(row)))]
    try:
        decode_event(1, cut, vault)
    except StoreCorrupt:
        return
    assert len(cut) > len(event.topic.encode())
