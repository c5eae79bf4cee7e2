"""Overlapping findings become one of the most telling kind, whatever the order they came in; nothing found is lost."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loom.privacy.finding import KINDS, Finding, merged, without

spans = st.builds(
    lambda a, n, kind: Finding(a, a + n, kind), st.integers(0, 30), st.integers(1, 8), st.sampled_from(KINDS)
)


@given(st.lists(spans, max_size=10), st.randoms())
def test_merging_covers_every_character_once_in_any_order(found: list[Finding], random: st.randoms) -> None:  # type: ignore[valid-type]
    result = merged(found)
    assert {at for each in result for at in range(each.start, each.end)} == {
        at for each in found for at in range(each.start, each.end)
    }
    assert all(a.end <= b.start for a, b in pairwise(result))
    mixed = list(found)
    random.shuffle(mixed)
    assert merged(mixed) == result


def test_the_most_telling_kind_names_the_whole() -> None:
    assert merged([Finding(0, 9, "PHONE"), Finding(4, 20, "CARD"), Finding(18, 19, "ADDRESS")]) == [
        Finding(0, 20, "CARD")
    ]
    assert merged([Finding(0, 9, "PHONE"), Finding(2, 4, "CARD")]) == [Finding(0, 9, "CARD")]
    assert merged([Finding(0, 4, "PHONE"), Finding(4, 8, "CARD")]) == [
        Finding(0, 4, "PHONE"),
        Finding(4, 8, "CARD"),
    ]


@given(st.lists(spans, max_size=6), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=5))
def test_what_is_left_lies_outside_of_the_holes(found: list[Finding], drawn: list[tuple[int, int]]) -> None:
    holes = [(each.start, each.end) for each in merged([Finding(a, a + n, "TEXT") for a, n in drawn])]
    hidden = {at for a, b in holes for at in range(a, b)}
    left = without(merged(found), holes)
    assert {at for each in left for at in range(each.start, each.end)} == {
        at for each in found for at in range(each.start, each.end)
    } - hidden
