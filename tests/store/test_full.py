"""No space, no right to write, a stranger's lock, a disk that does not confirm: nothing accepted is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import loom
from loom.errors import StoreError, StoreFull, StoreLocked
from loom.store import Family, Put, _sqlite_connect
from loom.store._sqlite_connect import WAL_BOUND
from loom.store.families import number
from loom.store.opening import open_backend
from loom.store.sqlite import SqliteBackend
from tests.store import writing

ROOT, SRC = Path(__file__).parent.parent.parent, Path(loom.__file__).parent.parent
KINDS = pytest.mark.parametrize("kind", ["sqlite", "rocksdb"])


def child(*words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(SRC), str(ROOT)])
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )


# -- space


def fill(write: Callable[[int], None]) -> int:
    """Call *write* with 0, 1, ... until it finds no space; how often it did."""
    for n in range(100_000):
        try:
            write(n)
        except StoreFull:
            return n
    raise AssertionError("never full")


@KINDS
def test_files_that_may_not_grow_are_a_full_store_and_it_goes_on_when_they_may(
    kind: str, tmp_path: Path
) -> None:
    done = child("-m", "tests.store.writing", "limit", kind, str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("full: no space left for")
    assert "nothing of this was kept, free some space and try again" in first
    assert rest[-1] == "goes on"
    store = open_backend(tmp_path, kind)
    assert writing.check(store) > 10
    store.close()


def test_a_full_sqlite_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    store = SqliteBackend(tmp_path)
    assert store._writer is not None
    writing.group(store, 0)
    store._writer.execute("PRAGMA max_page_count = 24")
    n = fill(lambda n: writing.group(store, n))
    assert writing.check(store) == n - 1
    with pytest.raises(StoreFull):  # a write of several statements
        store.write(
            [Put(Family.NOTES, b"small", b"")] * 4_096 + [Put(Family.NOTES, b"large", bytes(1 << 20))]
        )
    assert store.count(Family.NOTES) == 0
    with pytest.raises(StoreFull):
        writing.group(store, n)
    store._writer.execute("PRAGMA max_page_count = 1000000")
    writing.group(store, n)
    store.close()
    store = SqliteBackend(tmp_path)
    assert writing.check(store) == n
    assert store.count(Family.NOTES) == 0
    store.close()


def mount(disk: Path) -> bool:
    """Make *disk* a file system of 40 MB; False where this user may not."""
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)], capture_output=True)
    return done.returncode == 0


def unmount(disk: Path) -> None:
    subprocess.run(["umount", str(disk)], check=True)


def may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        if found := mount(Path(folder, "disk")):
            unmount(Path(folder, "disk"))
        return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    assert mount(disk)
    yield disk
    unmount(disk)


if may_mount():  # elsewhere the test of files that may not grow stands for these

    @KINDS
    def test_a_full_disk_is_told_and_everything_accepted_is_there_when_it_has_room_again(
        kind: str, small_disk: Path, tmp_path: Path
    ) -> None:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(36 << 20))
        store = open_backend(small_disk / "data", kind)
        n = fill(lambda n: store.write([Put(Family.JOURNAL, number(n), os.urandom(5_000))]))
        with pytest.raises(StoreFull):
            store.write([Put(Family.JOURNAL, number(n), os.urandom(5_000))])
        assert store.count(Family.JOURNAL) == n
        for call in (store.compact, lambda: store.backup(str(small_disk / "copy"))):
            with pytest.raises(StoreFull):
                call()
        store.backup(str(tmp_path / "copy")) if kind == "sqlite" else None
        ballast.unlink()
        store.write([Put(Family.JOURNAL, number(n), b"accepted")])
        store.close()
        store = open_backend(small_disk / "data", kind)
        assert store.count(Family.JOURNAL) == n + 1
        assert list(store.verify()) == []
        store.compact()
        store.backup(str(small_disk / "copy"))
        store.close()

    @KINDS
    def test_opening_on_a_full_disk_says_so(kind: str, small_disk: Path) -> None:
        with pytest.raises(OSError, match="No space"):
            (small_disk / "ballast").write_bytes(bytes(41 << 20))
        with pytest.raises(StoreFull, match="free some space"):
            open_backend(small_disk / "data", kind)


# -- rights

TELL = """
import os, pickle, sys, urllib.parse
import loom.store.rocksdb, loom.store.sqlite  # now: another user may not read where Python lies
from loom.errors import LoomError
from loom.store import Family, Put
from loom.store.opening import open_backend
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    store = open_backend(sys.argv[1], sys.argv[2], sys.argv[3] == "read")
    print(store.get(Family.NOTES, b"a"))
    if sys.argv[3] == "write":
        store.write([Put(Family.NOTES, b"b", b"")])
    store.close()
except LoomError as error:
    print(type(error).__name__, error)
"""


def as_nobody(*words: str) -> str:
    """What a process that is not root prints."""
    done = child("-c", TELL, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_store(folder: Path, kind: str) -> Path:
    store = open_backend(folder, kind)
    store.write([Put(Family.NOTES, b"a", b"1")])
    store.checkpoint()
    store.close()
    return folder


def open_up(folder: Path, write: bool) -> None:
    for place in (folder, *folder.rglob("*")):
        place.chmod((0o777 if write else 0o555) if place.is_dir() else 0o666 if write else 0o444)


@pytest.fixture
def reachable(tmp_path: Path) -> Path:
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.geteuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)
    return tmp_path


@KINDS
def test_a_folder_that_may_not_be_written_is_told_and_sqlite_can_read_it(kind: str, reachable: Path) -> None:
    folder = a_store(reachable / "data", kind)
    open_up(folder, write=False)
    said = as_nobody(str(folder), kind, "write")
    assert said.startswith("StoreError cannot write")
    assert "give this user" in said
    assert "read_only=True" in said
    read = as_nobody(str(folder), kind, "read")
    if kind == "sqlite":
        assert read == "b'1'\n"
    else:
        assert read.startswith("StoreError cannot open")
        assert "copy the folder and open the copy" in read


@KINDS
def test_files_of_somebody_else_are_told(kind: str, reachable: Path) -> None:
    folder = a_store(reachable / "data", kind)
    folder.chmod(0o777)
    for place in folder.rglob("*"):
        place.chmod(0o000)
    if os.geteuid() == 0:
        for mode in ("write", "read"):
            said = as_nobody(str(folder), kind, mode)
            assert said.startswith("StoreError cannot")
            assert "this user" in said


def test_a_log_that_cannot_be_folded_in_without_the_right_to_write_is_told(reachable: Path) -> None:
    store = SqliteBackend(reachable / "data")
    store.write([Put(Family.NOTES, b"a", b"1")])
    left = shutil.copytree(reachable / "data", reachable / "left")
    store.close()
    (left / "loom.db-shm").unlink()
    open_up(left, write=False)
    said = as_nobody(str(left), "sqlite", "read")
    assert "has a log that is not folded in" in said
    assert "open it once with the right to write" in said


@KINDS
def test_a_folder_that_is_a_file_is_told(kind: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreError, match="is a file, not a folder; move it away"):
        open_backend(tmp_path / "data", kind)
    with pytest.raises(StoreError, match=r"is a file, not a folder|cannot write"):
        open_backend(tmp_path / "data" / "below", kind)
    with pytest.raises(StoreError, match="there is no store in"):
        open_backend(tmp_path / "data", kind, read_only=True)


def test_a_database_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "loom.db").mkdir()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"cannot open .*loom\.db: it is no plain file"):
            SqliteBackend(tmp_path, read_only=read_only)


# -- strangers

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("holds", flush=True)
sys.stdin.read()
"""


def test_a_strangers_lock_is_told_with_its_pid_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite_connect, "PATIENCE", 0.05)
    store = SqliteBackend(tmp_path)
    store.write([Put(Family.NOTES, b"a", b"1")])
    stranger = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "loom.db")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"holds\n"
        with pytest.raises(
            StoreLocked, match=rf"locked by process {stranger.pid}.*close it there, then try again"
        ):
            store.write([Put(Family.NOTES, b"b", b"2")])
        assert store.scan(Family.NOTES) == [(b"a", b"1")]
        stranger.kill()
    store.write([Put(Family.NOTES, b"b", b"2")])
    assert store.count(Family.NOTES) == 2
    store.close()


# -- a disk that does not confirm


class Refusing:
    """A connection whose writes end in the error of a failed fsync."""

    in_transaction = False

    def __init__(self, inner: sqlite3.Connection) -> None:
        self.inner = inner

    def execute(self, sql: str, parameters: object = ()) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    def close(self) -> None:
        self.inner.close()


def test_after_a_write_that_the_disk_did_not_confirm_nothing_is_accepted_until_it_is_opened_again(
    tmp_path: Path,
) -> None:
    store = SqliteBackend(tmp_path)
    store.write([Put(Family.NOTES, b"a", b"1")])
    healthy, store._writer = store._writer, Refusing(store._writer)  # type: ignore[assignment,arg-type]
    with pytest.raises(StoreError, match="SQLITE_IOERR_FSYNC"):
        store.write([Put(Family.NOTES, b"b", b"2")])
    store._writer = healthy
    with pytest.raises(StoreError, match=r"did not confirm an earlier write.*open the store again"):
        store.write([Put(Family.NOTES, b"c", b"3")])
    assert store.get(Family.NOTES, b"a") == b"1"
    store.close()
    store = SqliteBackend(tmp_path)
    store.write([Put(Family.NOTES, b"c", b"3")])
    store.close()


def test_a_log_that_cannot_be_folded_in_now_does_not_fail_the_writes_that_are_kept(tmp_path: Path) -> None:
    done = child("-m", "tests.store.writing", "unfolded", "sqlite", str(tmp_path))
    assert done.stderr.splitlines()[-1].startswith("loom.errors.StoreFull"), "the last, explicit checkpoint"
    store = SqliteBackend(tmp_path)
    assert store.count(Family.JOURNAL) == 10
    store.close()


def test_the_log_stays_within_its_bound_while_much_is_written(tmp_path: Path) -> None:
    store = SqliteBackend(tmp_path)
    most = 0
    for n in range(0, 20_000, 100):  # small rows far apart: each changes a page of its own
        store.write([Put(Family.IDS, os.urandom(8), number(n + i)) for i in range(100)], sync=False)
        most = max(most, (tmp_path / "loom.db-wal").stat().st_size)
    assert (1 << 20) < most < WAL_BOUND + (2 << 20)
    store.close()
    assert not (tmp_path / "loom.db-wal").exists()
