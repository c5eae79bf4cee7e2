"""The backend that fails at a chosen write, which other tests trust."""

from pathlib import Path

import pytest

from loom.errors import StoreError, StoreFull
from loom.store import Family, Put
from loom.store.sqlite import SqliteBackend
from tests.store.faulty import Died, FaultyBackend

A, B, C = (Put(Family.NOTES, key, b"1") for key in (b"a", b"b", b"c"))


@pytest.fixture
def inner(tmp_path: Path):
    store = SqliteBackend(tmp_path)
    yield store
    store.close()


def kept(store: SqliteBackend | FaultyBackend) -> list[bytes]:
    return [key for key, _ in store.scan(Family.NOTES)]


def test_without_a_choice_it_only_counts(inner: SqliteBackend) -> None:
    store = FaultyBackend(inner)
    store.write([A, B])
    store.remove(Family.NOTES, b"a", b"b")
    assert (store.writes, kept(store), store.log) == (2, [b"b"], [(A, B), ()])


@pytest.mark.parametrize("error", [StoreFull, StoreError])
def test_the_chosen_writes_fail_and_nothing_of_them_is_kept(
    inner: SqliteBackend, error: type[StoreError]
) -> None:
    store = FaultyBackend(inner, at=2, error=error, times=2)
    store.write([A])
    for _ in range(2):
        with pytest.raises(error, match="was chosen to fail"):
            store.write([B])
    store.write([C])
    assert kept(store) == [b"a", b"c"]


@pytest.mark.parametrize(("dies", "after"), [("before", [b"a"]), ("after", [b"a", b"b"])])
def test_a_process_that_dies_does_nothing_more_and_the_next_one_finds_what_was_kept(
    tmp_path: Path, dies, after: list[bytes]
) -> None:
    store = FaultyBackend(SqliteBackend(tmp_path), at=2, dies=dies)
    store.write([A])
    for call in (lambda: store.write([B]), lambda: store.write([C]), lambda: store.get(Family.NOTES, b"a")):
        with pytest.raises(Died):
            call()
    again = store.reopened(lambda: SqliteBackend(tmp_path))
    assert [key for key, _ in again.scan(Family.NOTES)] == after
    again.close()
