"""Files that are damaged, cut off, foreign or of another version: a typed error that says what to do, and repair."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from loom.errors import StoreCorrupt, StoreError, StoreFormat, StoreLocked
from loom.store import Family, Put
from loom.store._sqlite_schema import PAGE
from loom.store.families import number
from loom.store.repair import repair
from loom.store.sqlite import SqliteBackend

Kept = dict[tuple[Family, bytes], bytes]
BYTES = random.Random(7)


def some() -> Kept:
    """Rows of every table, some of them longer than a page."""
    kept: Kept = {}
    for n in range(400):
        kept[Family.JOURNAL, number(n)] = BYTES.randbytes(BYTES.choice([30, 300, 9_000]))
        kept[Family.STEPS, number(n) + b"\0agent"] = BYTES.randbytes(BYTES.choice([0, 40, 3_000]))
        kept[Family.IDS, b"id-%d" % n] = number(n)
        kept[Family.STATES, b"agent-%d" % (n % 50)] = BYTES.randbytes(BYTES.choice([20, 1_000, 20_000]))
    return kept


SOME = some()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    store = SqliteBackend(folder)
    store.write([Put(family, key, value) for (family, key), value in SOME.items()])
    store.close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "data")


def damage(folder: Path, how: Callable[[bytearray], bytearray | None]) -> None:
    data = bytearray((folder / "loom.db").read_bytes())
    (folder / "loom.db").write_bytes(how(data) or data)


def read_all(store: SqliteBackend) -> Kept:
    found: Kept = {}
    for family in Family:
        if family is not Family.META:
            found |= {(family, key): value for key, value in store.scan(family, limit=10**6)}
    return found


def page_of(data: bytearray, kind: int) -> int:
    """Where the second page of *kind* begins."""
    return [at for at in range(PAGE, len(data), PAGE) if data[at] == kind][1]


def fill(kind: int, what: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        at = page_of(data, kind)
        data[at : at + PAGE] = (what * PAGE)[:PAGE]

    return change


def flip(data: bytearray) -> None:
    dice = random.Random(3)
    for _ in range(40):
        data[dice.randrange(PAGE, len(data))] ^= 1 << dice.randrange(8)


DAMAGE = {
    "garbage over a leaf of the events": fill(0x0D, b"garbage "),
    "zeros over a leaf of the entries": fill(0x0A, b"\0"),
    "garbage over an inner page": fill(0x02, b"\xff"),
    "bits that flipped": flip,
    "half of the file": lambda data: data[: len(data) // 2],
    "a torn last page": lambda data: data[: -5 * PAGE - 1000],
    "garbage over the first page": lambda data: data.__setitem__(slice(0, PAGE), b"garbage!" * (PAGE // 8)),
    "garbage over the tables' names": lambda data: data.__setitem__(slice(100, PAGE), b"x" * (PAGE - 100)),
}


@pytest.mark.parametrize("how", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_a_typed_error_that_names_the_command_and_never_another_value(folder: Path, how) -> None:
    damage(folder, how)
    for read_only in (True, False):
        errors = []
        try:
            store = SqliteBackend(folder, read_only=read_only)
        except (StoreCorrupt, StoreFormat) as error:
            errors.append(str(error))
        else:
            for (family, key), value in SOME.items():
                try:
                    assert store.get(family, key) in (value, None), "a value that nobody wrote"
                except StoreCorrupt as error:
                    errors.append(str(error))
            assert list(store.verify()) != []
            store.close()
        assert errors
        assert all("loom.db" in error and "`loom store repair" in error for error in errors)


@pytest.mark.parametrize("how", DAMAGE.values(), ids=DAMAGE)
def test_repair_keeps_the_damaged_files_and_every_row_that_can_be_read(folder: Path, how) -> None:
    damage(folder, how)
    before = (folder / "loom.db").read_bytes()
    report = repair(folder, "20261122-204500")
    assert (folder / "damaged-20261122-204500" / "loom.db").read_bytes() == before
    assert "damaged-20261122-204500" in report[0]
    assert report[1].startswith("kept: ")
    assert len(report) > 2
    store = SqliteBackend(folder)
    assert list(store.verify()) == []
    found = read_all(store)
    assert found.items() <= SOME.items(), "repair made something up"
    if how is not DAMAGE["half of the file"]:
        assert len(found) > len(SOME) - 400  # what one page holds
    store.write([Put(Family.JOURNAL, number(1_000), b"goes on")])
    store.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_schema_that_is_no_text_any_more_is_damage(folder: Path, read_only: bool) -> None:
    """SQLite quotes it in its error, and Python cannot decode that."""
    sound = (folder / "loom.db").read_bytes()
    start = sound.find(b"CREATE TABLE")
    damaged = 0
    for place in range(start, start + 80):
        (folder / "loom.db").write_bytes(sound[:place] + b"\x80" + sound[place + 1 :])
        try:
            SqliteBackend(folder, read_only=read_only).close()
        except StoreError as error:
            damaged += isinstance(error, StoreCorrupt) and "no text" in str(error)
    assert damaged


def test_repair_of_a_sound_store_loses_nothing(folder: Path) -> None:
    report = repair(folder, "now")
    assert len(report) == 2
    store = SqliteBackend(folder)
    assert read_all(store) == SOME
    store.close()


def test_repair_reads_pages_of_another_size(folder: Path) -> None:
    connection = sqlite3.connect(folder / "loom.db", isolation_level=None)
    for sql in (
        "PRAGMA journal_mode = DELETE",
        "PRAGMA page_size = 1024",
        "VACUUM",
        "PRAGMA journal_mode = WAL",
    ):
        connection.execute(sql).fetchall()
    connection.close()
    repair(folder, "now")
    store = SqliteBackend(folder)
    assert read_all(store) == SOME
    store.close()


def test_repair_reads_the_log_too(folder: Path) -> None:
    store = SqliteBackend(folder)
    store.write([Put(Family.JOURNAL, number(5_000), b"only in the log")])
    shutil.copy(folder / "loom.db-wal", folder / "kept-wal")
    shutil.copy(folder / "loom.db", folder / "kept-db")
    store.close()
    (folder / "kept-wal").rename(folder / "loom.db-wal")  # as kill -9 leaves it
    (folder / "kept-db").rename(folder / "loom.db")
    damage(folder, flip)
    repair(folder, "now")
    assert (folder / "damaged-now" / "loom.db-wal").exists()
    assert not (folder / "loom.db-wal").exists(), "the new file would be read with the old log"
    store = SqliteBackend(folder)
    assert store.get(Family.JOURNAL, number(5_000)) == b"only in the log"
    assert list(store.verify()) == []
    store.close()


def test_what_was_deleted_does_not_come_back_with_a_repair(folder: Path) -> None:
    store = SqliteBackend(folder)
    store.remove(Family.JOURNAL, number(100), number(300))
    store.write([Put(Family.STATES, b"agent-3", None), Put(Family.IDS, b"id-7", None)])
    store.close()
    repair(folder, "now")
    store = SqliteBackend(folder)
    assert store.count(Family.JOURNAL) == 200
    assert store.get(Family.STATES, b"agent-3") is None
    assert store.get(Family.IDS, b"id-7") is None
    store.close()


def test_what_is_deleted_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    secret = b"a secret that must go" * 20
    store = SqliteBackend(tmp_path)
    store.write(
        [
            Put(Family.STATES, b"a", secret),
            Put(Family.STEPS, b"a", secret),
            Put(Family.JOURNAL, number(1), secret),
        ]
    )
    store.checkpoint()
    store.write(
        [Put(Family.STATES, b"a", None), Put(Family.STEPS, b"a", None), Put(Family.JOURNAL, number(1), None)]
    )
    store.close()
    assert secret[:21] not in (tmp_path / "loom.db").read_bytes()


def test_repair_never_overwrites_and_wants_the_store_for_itself(folder: Path, tmp_path: Path) -> None:
    repair(folder, "now")
    with pytest.raises(StoreError, match="damaged-now exists already; give another stamp"):
        repair(folder, "now")
    store = SqliteBackend(folder)
    with pytest.raises(StoreLocked, match="pid"):
        repair(folder, "later")
    store.close()
    with pytest.raises(StoreError, match="there is no store in"):
        repair(tmp_path / "nothing", "now")


# -- the log


def after_kill(folder: Path) -> Path:
    """The files of *folder* as kill -9 leaves them after 20 writes more."""
    store = SqliteBackend(folder)
    for n in range(20):
        store.write([Put(Family.NOTES, number(n), b"x" * 100), Put(Family.DEAD, number(n), b"y")])
    left = shutil.copytree(folder, folder.parent / "left")
    store.close()
    (left / "loom.db-shm").unlink()
    return left


LOGS: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda log: log[: len(log) * 2 // 3],
    "cut off in its head": lambda log: log[:20],
    "garbage": lambda log: b"garbage " * (len(log) // 8),
    "garbage behind": lambda log: log + b"garbage " * 1000,
    "garbage in the middle": lambda log: (
        log[: len(log) // 2] + b"garbage " * 512 + log[len(log) // 2 + 4096 :]
    ),
    "empty": lambda log: b"",
}


@pytest.mark.parametrize("how", LOGS.values(), ids=LOGS)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_broken_log_opens_with_what_was_committed_before(folder: Path, how, read_only: bool) -> None:
    left = after_kill(folder)
    log = left / "loom.db-wal"
    log.write_bytes(how(log.read_bytes()))
    store = SqliteBackend(left, read_only=read_only)
    assert read_all(store).items() >= SOME.items()
    notes = [key for key, _ in store.scan(Family.NOTES)]
    assert notes == [key for key, _ in store.scan(Family.DEAD)], "half a write"
    assert notes == [number(n) for n in range(len(notes))]
    assert len(notes) == 20 if how is LOGS["garbage behind"] else len(notes) < 20
    assert list(store.verify()) == []
    store.close()


# -- foreign files


@pytest.mark.parametrize("content", [b"xy", b"hello world " * 1000, b"SQLite format 3\0", os.urandom(5000)])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes, read_only: bool
) -> None:
    (tmp_path / "loom.db").write_bytes(content)
    with pytest.raises((StoreFormat, StoreCorrupt), match=r"loom\.db"):
        SqliteBackend(tmp_path, read_only=read_only)
    assert (tmp_path / "loom.db").read_bytes() == content


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, read_only: bool) -> None:
    connection = sqlite3.connect(tmp_path / "loom.db")
    connection.execute("CREATE TABLE entries (k, v)")
    connection.commit()
    connection.close()
    before = (tmp_path / "loom.db").read_bytes()
    with pytest.raises(StoreFormat, match=r"no store of Loom.*use another folder"):
        SqliteBackend(tmp_path, read_only=read_only)
    assert (tmp_path / "loom.db").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TRIGGER spy AFTER INSERT ON entries BEGIN DELETE FROM journal; END",
        "DROP TRIGGER gone",
        "DROP TABLE journal",
        "DROP TABLE entries",
    ],
)
def test_a_store_with_other_tables_is_refused(folder: Path, change: str) -> None:
    connection = sqlite3.connect(folder / "loom.db")
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(StoreFormat):
        SqliteBackend(folder)


def test_an_empty_file_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "loom.db").touch()  # as a crash at the very beginning leaves it
    store = SqliteBackend(tmp_path)
    assert store.scan(Family.JOURNAL) == []
    store.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "loom.db").touch()
    with pytest.raises(StoreFormat):
        SqliteBackend(tmp_path / "other", read_only=True)
