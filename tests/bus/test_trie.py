"""The trie answers as the naive definition of a match does."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loom.bus._trie import Trie
from loom.event.topic import matches

TOPICS = st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(tuple)
PATTERNS = st.builds(
    lambda head, rest: (*head, *rest),
    st.lists(st.sampled_from("abc*"), min_size=1, max_size=5),
    st.sampled_from([(), (), (">",)]),
) | st.just((">",))


@given(st.lists(PATTERNS), st.data(), st.lists(TOPICS, min_size=1))
def test_it_matches_what_the_definition_matches_also_after_removals(
    patterns: list[tuple[str, ...]], data: st.DataObject, topics: list[tuple[str, ...]]
) -> None:
    trie: Trie[int] = Trie()
    there = dict(enumerate(patterns))
    for number, pattern in there.items():
        trie.add(pattern, number)
    for number in data.draw(st.lists(st.sampled_from(range(len(patterns))), unique=True)) if patterns else ():
        trie.remove(there.pop(number), number)
    for topic in topics:
        naive = Counter(number for number, pattern in there.items() if matches(pattern, topic))
        assert Counter(trie.match(".".join(topic))) == naive


@given(st.lists(PATTERNS))
def test_nothing_remains_of_what_was_removed(patterns: list[tuple[str, ...]]) -> None:
    trie: Trie[int] = Trie()
    for number, pattern in enumerate(patterns):
        trie.add(pattern, number)
    for number, pattern in reversed(list(enumerate(patterns))):
        trie.remove(pattern, number)
    assert not trie._root.children
    assert not trie._root.rest
