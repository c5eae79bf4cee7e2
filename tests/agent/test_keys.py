"""Where a keyed agent finds the key of an event, and what may be one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.agent._keys import compile_key, key_text
from loom.errors import ConfigError
from loom.event import Event

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


@given(ANY_TEXT | st.integers() | st.floats() | st.none() | st.booleans() | st.binary() | st.lists(ANY_TEXT))
def test_a_key_is_a_text_that_can_be_written_down_or_a_whole_number(value: Any) -> None:
    found = key_text(value)
    if type(value) is int:
        assert found == str(value)
    elif (
        isinstance(value, str)
        and value
        and "\0" not in value
        and not any("\ud800" <= c <= "\udfff" for c in value)
    ):
        assert found == value
        assert value.encode().decode() == value
    else:
        assert found is None


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("x" * 512, "x" * 512),
        ("x" * 513, None),
        ("", None),
        ("\ud800", None),
        ("\U0001f600", "\U0001f600"),
        (10**600, None),
        (-7, "-7"),
    ],
)
def test_the_bounds_of_a_key(value: Any, key: str | None) -> None:
    assert key_text(value) == key


def test_true_is_no_key_though_it_is_a_number() -> None:
    assert key_text(True) is None


EVENT = Event(
    "door",
    {"user": {"id": 7, "names": ["a"]}, "room": "hall"},
    topic="home.hall.door",
    source="sensor",
    metadata={"room": "kitchen"},
    key="k",
    thread="t1",
)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("metadata.room", "kitchen"), ("metadata.none", None), ("payload.room", "hall"), ("payload.user.id", 7),
        ("payload.user.none", None), ("payload.room.deeper", None), ("topic.0", "home"), ("topic.2", "door"),
        ("topic.3", None), ("key", "k"), ("source", "sensor"), ("thread", "t1"), ("type", "door"),
        ("topic", "home.hall.door"), (lambda event: event.payload["room"], "hall"),
    ],
)  # fmt: skip
def test_paths_lead_into_the_event(path: Any, key: Any) -> None:
    assert compile_key(path, "Room")(EVENT) == key


@given(st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3), st.sampled_from("abc"))
def test_a_payload_without_the_field_has_no_key(payload: dict[str, int], name: str) -> None:
    assert compile_key(f"payload.{name}", "Room")(Event("t", payload, topic="t")) == payload.get(name)
    assert compile_key(f"payload.{name}", "Room")(Event("t", [1], topic="t")) is None


@pytest.mark.parametrize(
    "path", ["", "nowhere", "metadata", "metadata.a.b", "topic.x", "topic.-1", "payload", 3, None, "id.x"]
)
def test_a_path_that_leads_nowhere_is_told_with_those_that_lead_somewhere(path: Any) -> None:
    with pytest.raises(ConfigError, match=r"class Room: key=.* leads nowhere; use 'metadata\.NAME'"):
        compile_key(path, "Room")
