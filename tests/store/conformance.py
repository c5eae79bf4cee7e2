"""What every Backend must keep; conformance_life.py goes on with its life, and a class for each kind inherits both."""

import os
from pathlib import Path

import pytest

from loom.errors import StoreError
from loom.store import Backend, Family, Put
from loom.store.families import after, join, number
from loom.store.opening import open_backend

SMALL, LARGE, NUMBERED = Family.STEPS, Family.STATES, Family.JOURNAL
BYTES_KEYS = [Family.POSITIONS, Family.STATES, Family.BLOBS, Family.CHANGES, Family.KEYS]


def keys(found: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in found]


class Keeping:
    kind = ""

    def open(self, folder: Path, read_only: bool = False) -> Backend:
        return open_backend(folder, self.kind, read_only)

    @pytest.fixture
    def store(self, tmp_path: Path):
        backend = self.open(tmp_path / "data")
        yield backend
        backend.close()

    # -- what is kept

    @pytest.mark.parametrize("family", Family)
    def test_what_was_put_is_got_in_its_family_and_nowhere_else(self, store: Backend, family: Family) -> None:
        key = number(7)
        store.write([Put(family, key, b"value")])
        assert store.get(family, key) == b"value"
        assert [other for other in Family if store.get(other, key) is not None] == [family]
        assert (key, b"value") in store.scan(family)
        store.write([Put(family, key, None)])
        assert store.get(family, key) is None
        assert key not in keys(store.scan(family))

    def test_the_last_change_of_a_key_wins_within_one_write(self, store: Backend) -> None:
        for family in (SMALL, LARGE, NUMBERED):
            a, b = number(1), number(2)
            store.write(
                [Put(family, a, b"1"), Put(family, b, b"1"), Put(family, a, b"2"), Put(family, b, None)]
            )
            assert store.scan(family) == [(a, b"2")]
            store.write([Put(family, a, None), Put(family, a, b"3")])
            assert store.scan(family) == [(a, b"3")]

    def test_a_write_of_nothing_changes_nothing(self, store: Backend) -> None:
        store.write([])
        store.write([Put(SMALL, b"gone", None)])
        assert store.scan(SMALL) == []

    @pytest.mark.parametrize("count", [1, 3, 5, 63, 64, 65, 300, 5_000])
    def test_a_write_of_any_length_is_kept_whole(self, store: Backend, count: int) -> None:
        puts = [Put((NUMBERED, SMALL, LARGE)[n % 3], number(n), b"%d" % n) for n in range(count)]
        store.write(puts)
        for family in (NUMBERED, SMALL, LARGE):
            expected = [(p.key, p.value) for p in puts if p.family is family]
            assert store.scan(family, limit=count) == expected
            assert store.count(family) == len(expected)

    @pytest.mark.parametrize("size", [0, 1, 300, 4_096, 70_000, 1_000_000])
    def test_values_of_any_size_come_back_as_they_were(self, store: Backend, size: int) -> None:
        value = os.urandom(size)
        for family in (SMALL, LARGE, NUMBERED):
            store.write([Put(family, number(1), value), Put(family, number(2), b"next")])
            assert store.get(family, number(1)) == value
            assert store.scan(family) == [(number(1), value), (number(2), b"next")]

    def test_a_value_may_shrink_and_grow(self, store: Backend) -> None:
        for size in (10, 100_000, 0, 5_000, 1):
            store.write([Put(LARGE, b"a", b"x" * size), Put(SMALL, b"a", b"x" * size)])
            assert store.get(LARGE, b"a") == store.get(SMALL, b"a") == b"x" * size

    @pytest.mark.parametrize("family", BYTES_KEYS)
    def test_keys_are_any_bytes_and_sort_as_bytes(self, store: Backend, family: Family) -> None:
        odd = [
            b"",
            b"\0",
            b"\0\0",
            b"\0a",
            b"a",
            b"a\0",
            b"a\0b",
            b"a\xff",
            b"b",
            b"\x7f",
            b"\x80",
            b"\xff",
            b"\xff\xff",
        ]
        store.write([Put(family, key, b"v" + key) for key in reversed(odd)])
        assert store.scan(family) == [(key, b"v" + key) for key in sorted(odd)]
        assert store.last(family) == b"\xff\xff"
        assert all(store.get(family, key) == b"v" + key for key in odd)

    def test_long_keys_are_keys(self, store: Backend) -> None:
        key = join(b"k" * 3_000, b"\0" * 10, "ü" * 500)
        store.write([Put(SMALL, key, b"1"), Put(LARGE, key + b"x", b"2")])
        assert store.get(SMALL, key) == b"1"
        assert keys(store.scan(LARGE, key)) == [key + b"x"]

    # -- ranges

    @pytest.mark.parametrize("family", [SMALL, LARGE, NUMBERED])
    def test_a_scan_begins_at_its_start_ends_before_its_end_and_minds_its_limit(
        self, store: Backend, family: Family
    ) -> None:
        store.write([Put(family, number(n), b"%d" % n) for n in range(0, 20, 2)])
        found = keys(store.scan(family, number(4), number(8)))
        assert found == [number(4), number(6)]
        assert keys(store.scan(family, number(5), number(9))) == [number(6), number(8)]
        assert keys(store.scan(family, limit=3)) == [number(0), number(2), number(4)]
        assert store.scan(family, number(4), number(4)) == []
        assert store.scan(family, number(8), number(4)) == []
        assert store.scan(family, number(19)) == []
        assert store.scan(family, limit=0) == []
        assert keys(store.scan(family, number(16), None)) == [number(16), number(18)]

    @pytest.mark.parametrize("family", [SMALL, LARGE, NUMBERED])
    def test_bounds_need_not_be_keys(self, store: Backend, family: Family) -> None:
        store.write([Put(family, number(n), b"") for n in (0, 1, 255, 256, 2**40, 2**63 - 1)])
        assert keys(store.scan(family, number(1) + b"\0", number(256))) == [number(255)]
        assert keys(store.scan(family, b"\0\0\0\0\0\0\1")) == [number(256), number(2**40), number(2**63 - 1)]
        assert keys(store.scan(family, b"", b"\0\0\0\0\0\0\1")) == [number(0), number(1), number(255)]
        assert keys(store.scan(family, number(2**40) + b"z", b"\xff")) == [number(2**63 - 1)]
        assert keys(store.scan(family, number(2**63 - 1), b"\xff" * 12)) == [number(2**63 - 1)]
        assert store.scan(family, number(2**63 - 1) + b"\0") == []
        assert store.scan(family, b"\x80") == []
        assert store.scan(family, b"\xff", b"\xff\xff") == []

    def test_a_prefix_is_read_with_after(self, store: Backend) -> None:
        store.write([Put(SMALL, join(name, n), b"") for name in ("a", "a1", "b") for n in ("x", "y")])
        prefix = join("a", "")
        assert keys(store.scan(SMALL, prefix, after(prefix))) == [b"a\0x", b"a\0y"]

    def test_the_last_key_is_the_greatest(self, store: Backend) -> None:
        for family in (SMALL, LARGE, NUMBERED):
            assert store.last(family) is None
            store.write([Put(family, number(n), b"") for n in (3, 700, 20)])
            assert store.last(family) == number(700)
            store.write([Put(family, number(700), None)])
            assert store.last(family) == number(20)

    def test_a_range_is_removed_and_nothing_beside_it(self, store: Backend) -> None:
        for family in (SMALL, LARGE, NUMBERED):
            store.write([Put(family, number(n), b"x" * 50) for n in range(1_000)])
            store.remove(family, number(10), number(990))
            assert keys(store.scan(family)) == [number(n) for n in (*range(10), *range(990, 1_000))]
            store.remove(family, number(5), number(5))
            store.remove(family, number(8), number(3))
            assert store.count(family) == 20
            store.remove(family, b"", b"\xff")
            assert store.count(family) == 0

    def test_keys_of_the_journal_are_numbers(self, store: Backend) -> None:
        for key in (b"", b"short", b"longer than eight", b"\xff" * 8):
            with pytest.raises(StoreError, match="number"):
                store.write([Put(SMALL, b"beside", b""), Put(NUMBERED, key, b"")])
            assert store.get(NUMBERED, key) is None
        assert store.scan(SMALL) == []
