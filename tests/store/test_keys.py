"""Keys on disk: every family has a number of its own, and ranges of one family never reach into another."""

from hypothesis import given
from hypothesis import strategies as st

from loom.store._keys import CODES, bounds
from loom.store._sqlite_keys import inside, least, outside
from loom.store.families import LARGE, Family, number

families = st.sampled_from(list(Family))


def test_every_family_has_a_number_and_no_two_the_same() -> None:
    assert CODES.keys() == set(Family), "a new family needs the next free number in loom.store._keys"
    assert len(set(CODES.values())) == len(CODES)


def test_large_values_stand_apart() -> None:
    assert {family for family, code in CODES.items() if code >= 0x80} == set(LARGE)


@given(families, families, st.binary(), st.binary() | st.none(), st.binary())
def test_a_range_holds_keys_of_its_family_only(
    a: Family, b: Family, start: bytes, end: bytes | None, key: bytes
) -> None:
    low, high = bounds(a, start, end)
    found = low <= bytes([CODES[b]]) + key < high
    assert found == (a is b and start <= key and (end is None or key < end))


numbers = st.integers(0, 2**63 - 1)


@given(st.data(), numbers)
def test_a_bound_of_the_journal_is_a_number_that_lies_where_the_bytes_do(data: st.DataObject, n: int) -> None:
    cut, more = data.draw(st.integers(0, 8)), data.draw(st.binary(max_size=2))
    bound = number(n)[:cut] + more
    found = least(bound)
    assert (number(n) >= bound) == (isinstance(found, int) and n >= found)


@given(families, st.integers(0, 2**63 - 1))
def test_keys_come_out_as_they_went_in(family: Family, n: int) -> None:
    assert outside(family, inside(family, number(n))) == number(n)
