# ruff: noqa: S608 - the only names in these statements are those written here
"""The tables of a store in SQLite, and the statements that read and write them.

Every step of SQLite is where Python gives up its lock, and with a busy thread beside it each return costs up to the
interpreter's switch interval. So a write is one statement, whatever it changes: rows go into ``entries``, and triggers
take aside those that belong elsewhere or go away.
"""

from __future__ import annotations

from typing import NamedTuple

from loom.store.families import LARGE, Family

APPLICATION = 0x4C6F6F6D  # "Loom", where SQLite's files say whose they are
PAGE = 8192

_TABLES = (
    # Row numbers are the keys of the journal: SQLite fills pages to the brim where rows come in order.
    "CREATE TABLE journal (k INTEGER PRIMARY KEY, v BLOB NOT NULL)",
    # Large values stand apart from their keys: a tree of small keys stays flat.
    "CREATE TABLE large (k BLOB NOT NULL UNIQUE, v BLOB NOT NULL)",
    "CREATE TABLE entries (k BLOB NOT NULL PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID",
)

_KEEP = "ON CONFLICT (k) DO UPDATE SET v = excluded.v"


def _aside(name: str, when: str, instead: str) -> str:
    return (
        f"CREATE TRIGGER {name} BEFORE INSERT ON entries WHEN {when} "
        f"BEGIN {instead}; SELECT RAISE(IGNORE); END"
    )


_TRIGGERS = (  # SQLite sorts NULL, then numbers, then blobs; of these three conditions at most one is met
    _aside(
        "numbers", "NEW.k < x'' AND NEW.v IS NOT NULL", f"INSERT INTO journal VALUES (NEW.k, NEW.v) {_KEEP}"
    ),
    _aside(
        "larger", "NEW.k >= x'80' AND NEW.v IS NOT NULL", f"INSERT INTO large VALUES (NEW.k, NEW.v) {_KEEP}"
    ),
    _aside(
        "gone",
        "NEW.v IS NULL",
        "DELETE FROM journal WHERE NEW.k < x'' AND k = NEW.k;"
        "DELETE FROM large WHERE NEW.k >= x'80' AND k = NEW.k;"
        "DELETE FROM entries WHERE NEW.k >= x'' AND NEW.k < x'80' AND k = NEW.k",
    ),
)

CREATE = (*_TABLES, *_TRIGGERS, f"PRAGMA application_id = {APPLICATION}")


def put(rows: int) -> str:
    """The statement that puts *rows* pairs of key and value, in order; a pair of NULL does nothing."""
    return f"INSERT INTO entries VALUES {','.join(['(?,?)'] * rows)} {_KEEP}"


class Reads(NamedTuple):
    """The statements that read one family, and the one that removes a range; all but ``get`` take two bounds."""

    get: str
    scan: str
    last: str
    many: str
    remove: str


def _reads(table: str) -> Reads:
    between = f"FROM {table} WHERE k >= ? AND k < ?"
    get, scan = f"SELECT v FROM {table} WHERE k = ?", f"SELECT k, v {between} ORDER BY k LIMIT ?"
    if (
        table == "large"
    ):  # an index of its own, which may lead to another row: the row's own key is read beside it
        joined = "FROM large i JOIN large t ON t.rowid = i.rowid WHERE"
        get = f"SELECT t.v, t.k {joined} i.k = ?"
        scan = f"SELECT i.k, t.v, t.k {joined} i.k >= ? AND i.k < ? ORDER BY i.k LIMIT ?"
    return Reads(
        get,
        scan,
        f"SELECT k {between} ORDER BY k DESC LIMIT 1",
        f"SELECT count(*) {between}",
        f"DELETE {between}",
    )


TABLES = ("journal", "large", "entries")


def table(family: Family) -> str:
    """The table in which *family* is kept."""
    if family is Family.JOURNAL:
        return "journal"
    return "large" if family in LARGE else "entries"


READS = {family: _reads(table(family)) for family in Family}
