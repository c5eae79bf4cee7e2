"""Topics by pattern: the same answer as looking at each, whatever comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.bus._topics import Topics
from loom.event.topic import matches

TOPIC = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)
PATTERN = st.tuples(
    st.lists(st.sampled_from(["a", "b", "*"]), max_size=3), st.sampled_from(["a", "c", "*", ">"])
).map(lambda parts: (*parts[0], parts[1]))


@given(st.lists(TOPIC), st.lists(TOPIC), PATTERN)
def test_a_pattern_finds_the_topics_it_matches_and_no_others(
    come: list[str], go: list[str], pattern: tuple[str, ...]
) -> None:
    topics = Topics()
    for topic in come:
        topics.add(topic)
    left = set(come)
    for topic in go:
        if topic in left:
            left.remove(topic)
            topics.remove(topic)
    assert sorted(topics.matching(pattern)) == sorted(t for t in left if matches(pattern, t.split(".")))


@given(st.sets(TOPIC))
def test_a_set_that_lost_every_topic_holds_no_branch(names: set[str]) -> None:
    topics = Topics()
    for topic in names:
        topics.add(topic)
    for topic in names:
        topics.remove(topic)
    assert topics._root == {}


def test_a_topic_that_is_not_there_cannot_be_removed() -> None:
    topics = Topics()
    topics.add("a.b")
    for stranger in ("a", "c", "a.c", "a.b.c"):
        with pytest.raises(KeyError):
            topics.remove(stranger)
    assert topics.matching((">",)) == ["a.b"]
    topics.clear()
    assert topics.matching((">",)) == []
