"""The store in SQLite: what every backend does, and how a write reaches the file."""

import sqlite3
from pathlib import Path

import pytest

from loom.store import Family, Put
from loom.store.families import number
from loom.store.sqlite import SqliteBackend
from tests.store.conformance_life import Conformance
from tests.store.model import model_of


class TestSqlite(Conformance):
    kind = "sqlite"


TestSqliteAgainstADictionary = model_of("sqlite")


class Counting:
    """A connection that remembers what it was asked."""

    def __init__(self, inner: sqlite3.Connection) -> None:
        self.inner, self.asked = inner, []

    def execute(self, sql: str, parameters: object = ()) -> sqlite3.Cursor:
        self.asked.append(sql)
        return self.inner.execute(sql, parameters)


def statements_of(store: SqliteBackend, puts: list[Put]) -> list[str]:
    """What SQLite is asked to do for one write."""
    counting = Counting(store._writer)
    store._writer = counting
    store.write(puts)
    store._writer = counting.inner
    return counting.asked


@pytest.mark.parametrize("rows", [1, 2, 5, 64, 333, 4096])
def test_a_write_of_any_mixture_is_one_statement(tmp_path: Path, rows: int) -> None:
    store = SqliteBackend(tmp_path)
    families = list(Family)
    puts = [Put(families[n % len(families)], number(n), None if n % 5 == 0 else b"v") for n in range(rows)]
    assert len(statements_of(store, puts)) == 1
    assert sum(store.count(family) for family in Family) == len([p for p in puts if p.value is not None]) + 1
    store.close()


def test_a_longer_write_is_one_transaction(tmp_path: Path) -> None:
    store = SqliteBackend(tmp_path)
    asked = statements_of(store, [Put(Family.NOTES, number(n), b"") for n in range(5_000)])
    assert (asked[0], len(asked), asked[-1]) == ("BEGIN IMMEDIATE", 4, "COMMIT")
    store.close()


def test_what_must_be_on_disk_is_synced_before_the_write_returns(tmp_path: Path) -> None:
    store = SqliteBackend(tmp_path)
    assert store._writer is not None
    for sync, expected in ((True, 2), (False, 1), (False, 1), (True, 2)):
        store.write([Put(Family.NOTES, b"a", b"")], sync)
        assert store._writer.execute("PRAGMA synchronous").fetchone()[0] == expected
    store.close()


def test_a_checkpoint_gives_the_log_back_and_waits_for_no_reader(tmp_path: Path) -> None:
    store = SqliteBackend(tmp_path)
    log = tmp_path / "loom.db-wal"
    store.write([Put(Family.JOURNAL, number(1), b"x" * 100_000)])
    assert log.stat().st_size > 100_000
    store.checkpoint()
    assert log.stat().st_size == 0
    stranger = sqlite3.connect(tmp_path / "loom.db", isolation_level=None)
    stranger.execute("BEGIN")
    stranger.execute("SELECT count(*) FROM journal").fetchall()
    store.write([Put(Family.JOURNAL, number(2), b"y")])
    store.checkpoint()
    store.write([Put(Family.JOURNAL, number(3), b"z")])
    stranger.close()
    assert store.count(Family.JOURNAL) == 3
    store.close()
