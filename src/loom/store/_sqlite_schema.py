# ruff: noqa: S608 - the only names in these statements are those of Family
"""The tables of a store in SQLite: one for each family, and the statements that read and write them."""

from __future__ import annotations

from loom.store.families import LARGE, Family

APPLICATION = 0x4C6F6F6D  # "Loom", where SQLite's files say whose they are
PAGE = 8192

NUMBERED = frozenset({Family.JOURNAL})
"""Families whose keys are numbers: SQLite's own row numbers, because appending there is fastest."""


def create(family: Family) -> str:
    """The statement that makes the table of *family*."""
    if family in NUMBERED:
        return f"CREATE TABLE {family} (k INTEGER PRIMARY KEY, v BLOB NOT NULL)"
    if family in LARGE:  # a large value inside an index makes every look-up read it
        return f"CREATE TABLE {family} (k BLOB NOT NULL UNIQUE, v BLOB NOT NULL)"
    return f"CREATE TABLE {family} (k BLOB NOT NULL PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"


def put(family: Family, rows: int) -> str:
    """The statement that puts *rows* keys and values."""
    values = ",".join(["(?,?)"] * rows)
    return f"INSERT INTO {family} VALUES {values} ON CONFLICT (k) DO UPDATE SET v = excluded.v"


def drop(family: Family, rows: int) -> str:
    """The statement that takes *rows* keys away."""
    return f"DELETE FROM {family} WHERE k IN ({','.join(['?'] * rows)})"


GET = {family: f"SELECT v FROM {family} WHERE k = ?" for family in Family}
SCAN = {family: f"SELECT k, v FROM {family} WHERE k >= ? ORDER BY k LIMIT ?" for family in Family}
SCAN_TO = {
    family: f"SELECT k, v FROM {family} WHERE k >= ? AND k < ? ORDER BY k LIMIT ?" for family in Family
}
LAST = {family: f"SELECT max(k) FROM {family}" for family in Family}
COUNT = {family: f"SELECT count(*) FROM {family}" for family in Family}
REMOVE = {family: f"DELETE FROM {family} WHERE k >= ? AND k < ?" for family in Family}
