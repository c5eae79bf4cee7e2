"""MQTT topics and Loom's: a rule that leads there and back, for every topic there is."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from loom.adapters._mqtt_topics import check_filter, matches, to_loom, to_mqtt
from loom.errors import ConfigError, InvalidTopic
from loom.event.topic import check_topic

LETTERS = st.text("a/.%*> \t\n\x01é€$2E0\U0001f600", min_size=1, max_size=30)
PREFIX = st.sampled_from(["", "home", "a.b"])


@given(LETTERS | st.text(min_size=1, max_size=30), PREFIX)
def test_every_topic_leads_there_and_back(topic: str, prefix: str) -> None:
    try:
        mapped = to_loom(topic, prefix)
    except InvalidTopic:
        assert set(topic) & {"+", "#", "\0"} or any("\ud800" <= c <= "\udfff" for c in topic)
        return
    assert check_topic(mapped) == mapped
    assert to_mqtt(mapped, prefix) == topic


@given(LETTERS, LETTERS)
def test_two_topics_are_never_one(one: str, other: str) -> None:
    assume(one != other)
    assert to_loom(one) != to_loom(other)


@given(st.text("a.%20/+#E*", min_size=1, max_size=20))
def test_what_leads_back_leads_there(topic: str) -> None:
    try:
        name = to_mqtt(topic)
    except InvalidTopic:
        return
    assert to_loom(name) == topic


@pytest.mark.parametrize(
    ("mqtt", "loom"),
    [
        ("home/door", "home.door"),
        ("home/v1.2", "home.v1%2E2"),
        ("/home//x/", "%.home.%.x.%"),
        ("a b/100%", "a%20b.100%25"),
        ("*/>/x*", "%2A.%3E.x*"),
        ("$SYS/uptime", "$SYS.uptime"),
    ],
)
def test_the_rule(mqtt: str, loom: str) -> None:
    assert to_loom(mqtt) == loom
    assert to_loom(mqtt, "p") == f"p.{loom}"


def test_what_is_no_topic_is_refused() -> None:
    for topic in ("", "a/+", "a/#", "a\0b", "x" * 70_000, "a/" * 600):
        with pytest.raises(InvalidTopic):
            to_loom(topic)
    for topic in ("other.x", "p", "p.a/b", "p.%zz", "p.%2", "p.a+"):
        with pytest.raises(InvalidTopic):
            to_mqtt(topic, "p")


FILTERS = st.lists(st.sampled_from(["a", "b", "+", "", "$x"]), min_size=1, max_size=4)


@given(FILTERS, st.booleans(), st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4))
def test_filters_cover_what_another_implementation_says(
    levels: list[str], rest: bool, names: list[str]
) -> None:
    pattern, topic = "/".join([*levels, "#"] if rest else levels), "/".join(names)
    assume(pattern and topic)
    assert matches(check_filter(pattern), topic) == topic_matches_sub(pattern, topic)


@pytest.mark.parametrize("text", ["", "a#", "a/#/b", "a+", "+a/b", "#/", "a\0", 5])
def test_bad_filters_are_told(text: object) -> None:
    with pytest.raises(ConfigError):
        check_filter(text)
