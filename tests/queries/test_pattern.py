"""Patterns: topics, paths into events, and conditions in words."""

from typing import Any

import pytest

from loom.errors import ConfigError, InvalidTopic
from loom.event import Event
from loom.queries import events
from loom.queries.pattern import condition, reader

DOOR = Event(
    "opened",
    {"open": True, "temp": 21.5, "who": {"name": "ada"}, "path": [3, 4], "none": None},
    topic="house.hall.door",
    source="sensor",
    key="d1",
    metadata={"room": "hall", "a.b": "dotted"},
    timestamp_ms=1,
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "opened"),
        ("source", "sensor"),
        ("key", "d1"),
        ("thread", None),
        ("topic", "house.hall.door"),
        ("topic.1", "hall"),
        ("topic.7", None),
        ("metadata.room", "hall"),
        ("metadata.a.b", "dotted"),
        ("metadata.none", None),
        ("payload.temp", 21.5),
        ("payload.who.name", "ada"),
        ("payload.path.1", 4),
        ("payload.path.2", None),
        ("payload.path.x", None),
        ("payload.temp.deeper", None),
        ("payload.nothing.at.all", None),
    ],
)
def test_a_path_finds_what_lies_there_or_nothing(path: str, value: Any) -> None:
    assert reader(path)(DOOR) == value


@pytest.mark.parametrize("path", ["", "payloads.x", "metadata", "key.x", "__class__", "payload_x"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="path"):
        reader(path)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("payload.temp > 21", True),
        ("payload.temp>21.5", False),
        ("payload.temp >= 21.5", True),
        ("payload.temp < 30", True),
        ("payload.temp <= 2", False),
        ("payload.open == true", True),
        ("payload.open", True),
        ("payload.closed", False),
        ("payload.who.name == 'ada'", True),
        ('payload.who.name != "ada"', False),
        ("payload.who.name > 3", False),  # cannot be compared
        ("payload.gone != 3", False),  # not there
        ("metadata.room == 'hall'", True),
        ("payload.none == null", False),
    ],
)
def test_a_condition_in_words(text: str, holds: bool) -> None:
    assert bool(condition(text)(DOOR)) is holds


@pytest.mark.parametrize(
    "text", ["", "payload.temp >", "payload.temp > warm", "> 3", "temp > 3", "payload.x = 3"]
)
def test_a_condition_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"condition|path"):
        condition(text)


def test_a_pattern_accepts_by_topic_and_condition() -> None:
    assert events("house.*.door").accepts(DOOR)
    assert events("house.>", "payload.open").accepts(DOOR)
    assert events("house.>", lambda event: event.key == "d1").accepts(DOOR)
    assert not events("house.>", "payload.temp > 30").accepts(DOOR)
    assert not events("house.*").accepts(DOOR)
    with pytest.raises(InvalidTopic):
        events("house..door")
