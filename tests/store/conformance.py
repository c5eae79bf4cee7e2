"""What every Backend must do; a class of tests for each kind inherits this one and says which kind it is."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loom.errors import Closed, ConfigError, StoreCorrupt, StoreError, StoreFormat, StoreLocked
from loom.store import Backend, Family, Put
from loom.store._format import KEY, VERSION
from loom.store.families import after, join, number
from loom.store.opening import kind_of, open_backend
from tests.store import writing

ROOT = Path(__file__).parent.parent.parent
SMALL, LARGE, NUMBERED = Family.STEPS, Family.STATES, Family.JOURNAL
BYTES_KEYS = [Family.POSITIONS, Family.STATES, Family.BLOBS, Family.CHANGES, Family.KEYS]


def keys(found: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [key for key, _ in found]


class Conformance:
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

    # -- opening again

    def test_everything_is_there_after_opening_again(self, tmp_path: Path) -> None:
        for round in range(3):
            store = self.open(tmp_path)
            assert store.count(NUMBERED) == round
            store.write([Put(NUMBERED, number(round), b"v")], sync=round % 2 == 0)
            store.close()

    def test_closing_twice_does_nothing_and_a_closed_store_says_so(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        store.close()
        store.close()
        for call in (
            lambda: store.get(SMALL, b""),
            lambda: store.scan(SMALL),
            lambda: store.last(SMALL),
            lambda: store.count(SMALL),
            lambda: store.write([Put(SMALL, b"", b"")]),
            lambda: store.remove(SMALL, b"", b"\xff"),
            store.checkpoint,
            store.compact,
        ):
            with pytest.raises(Closed):
                call()

    def test_folder_and_files_are_for_this_user_alone(self, tmp_path: Path) -> None:
        mask = os.umask(0)
        try:
            store = self.open(tmp_path / "a" / "b")
            store.write([Put(SMALL, b"", b"")])
            store.close()
        finally:
            os.umask(mask)
        folder = tmp_path / "a" / "b"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) in (0o600, 0o700), path

    def test_a_second_writer_is_told_who_holds_the_folder(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        with pytest.raises(StoreLocked, match=f"pid {os.getpid()}"):
            self.open(tmp_path)
        store.write([Put(SMALL, b"a", b"")])
        store.close()
        self.open(tmp_path).close()

    def test_a_second_process_is_told_the_pid_and_what_to_do(self, tmp_path: Path) -> None:
        with self.child(tmp_path, "hold") as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"open\n"
            with pytest.raises(
                StoreLocked, match=rf"process {child.pid}; stop it first \(kill {child.pid}\)"
            ):
                self.open(tmp_path)
            child.kill()
        self.open(tmp_path).close()  # the system let go of the lock

    def test_a_reader_sees_what_another_store_writes_and_writes_nothing(self, tmp_path: Path) -> None:
        store = self.open(tmp_path)
        store.write([Put(SMALL, b"a", b"1")])
        reader = self.open(tmp_path, read_only=True)
        assert reader.get(SMALL, b"a") == b"1"
        store.write([Put(SMALL, b"a", b"2"), Put(SMALL, b"b", b"2")])
        assert reader.scan(SMALL) == [(b"a", b"2"), (b"b", b"2")]
        for call in (lambda: reader.write([Put(SMALL, b"c", b"")]), lambda: reader.remove(SMALL, b"a", b"z")):
            with pytest.raises(StoreError, match="read_only"):
                call()
        reader.close()
        store.close()

    def test_reading_only_needs_a_store(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="there is no store in"):
            self.open(tmp_path / "nothing", read_only=True)
        assert not (tmp_path / "nothing").exists()

    def test_the_kind_is_found_and_the_other_one_refused(self, tmp_path: Path) -> None:
        assert kind_of(tmp_path) is None
        self.open(tmp_path).close()
        assert kind_of(tmp_path) == self.kind
        store, reader = open_backend(tmp_path), self.open(tmp_path, read_only=True)
        assert type(store) is type(reader)
        reader.close()
        store.close()
        other = {"sqlite": "rocksdb", "rocksdb": "sqlite"}[self.kind]
        with pytest.raises(StoreError, match=f"holds a store of kind {self.kind}, not {other}"):
            open_backend(tmp_path, other)
        with pytest.raises(ConfigError, match="sqlite, rocksdb"):
            open_backend(tmp_path, "oracle")

    # -- formats

    def test_a_store_says_its_format(self, store: Backend) -> None:
        assert store.get(Family.META, KEY) == b"%d" % VERSION

    @pytest.mark.parametrize(
        ("format", "says"),
        [
            (b"%d" % (VERSION + 1), "written by a newer Loom.*update Loom"),
            (b"0", "format 0, which this Loom .* does not know"),
            (b"nonsense", "format nonsense"),
            (None, "format none|the format"),
        ],
    )
    def test_another_format_is_refused(self, tmp_path: Path, format: bytes | None, says: str) -> None:
        store = self.open(tmp_path)
        store.write([Put(Family.META, KEY, format)])
        store.close()
        for read_only in (False, True):
            with pytest.raises((StoreFormat, StoreCorrupt), match=says):
                self.open(tmp_path, read_only)

    def test_an_older_format_is_brought_up_step_by_step(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = self.open(tmp_path)
        store.write([Put(SMALL, b"a", b"old"), Put(Family.META, KEY, b"1")])
        store.close()

        def step(backend: Backend) -> None:
            value = backend.get(SMALL, b"a")
            backend.write([Put(SMALL, b"a", (value or b"") + b"+")])

        monkeypatch.setattr("loom.store._format.VERSION", 3)
        monkeypatch.setattr("loom.store._format.STEPS", {1: step, 2: step})
        with pytest.raises(StoreFormat, match="open it once for writing"):
            self.open(tmp_path, read_only=True)
        store = self.open(tmp_path)
        assert (store.get(SMALL, b"a"), store.get(Family.META, KEY)) == (b"old++", b"3")
        store.close()

    # -- upkeep

    def test_a_backup_taken_while_writing_opens_and_is_whole(self, store: Backend, tmp_path: Path) -> None:
        writing.group(store, 0)
        stop = threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set() and n < 2_000:
                n += 1
                writing.group(store, n)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for copy in range(3):
                store.backup(str(tmp_path / f"copy{copy}"))
        finally:
            stop.set()
            writer.join()
        for copy in range(3):
            other = self.open(tmp_path / f"copy{copy}")
            assert list(other.verify()) == []
            writing.check(other)
            other.close()

    def test_a_backup_never_overwrites_a_store(self, store: Backend, tmp_path: Path) -> None:
        store.backup(str(tmp_path / "copy"))
        for folder in (tmp_path / "copy", tmp_path / "data"):
            with pytest.raises(StoreError, match="holds a store already"):
                store.backup(str(folder))

    def test_compacting_gives_space_back_and_keeps_the_rest(self, store: Backend) -> None:
        for start in range(0, 8_000, 1_000):
            store.write(
                [Put(NUMBERED, number(n), os.urandom(500)) for n in range(start, start + 1_000)], sync=False
            )
        store.checkpoint()
        before = store.nbytes()
        assert before > 4_000_000
        store.remove(NUMBERED, number(10), number(8_000))
        store.compact()
        store.checkpoint()
        assert store.nbytes() < before / 4
        assert store.count(NUMBERED) == 10
        assert list(store.verify()) == []

    def test_a_sound_store_verifies(self, store: Backend) -> None:
        writing.group(store, 1)
        store.checkpoint()
        assert list(store.verify()) == []

    # -- threads and processes

    def test_readers_beside_a_writer_see_whole_writes_only(self, store: Backend, tmp_path: Path) -> None:
        writing.group(store, 0)
        other = self.open(tmp_path / "data", read_only=True)
        stop = threading.Event()
        errors: list[BaseException] = []

        def read(backend: Backend) -> None:
            seen = 0
            try:
                while not stop.is_set():
                    seen = writing.check(backend, at_least=seen)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=read, args=[backend]) for backend in (store, store, other)]
        for thread in threads:
            thread.start()
        for n in range(1, 300):
            writing.group(store, n)
        stop.set()
        for thread in threads:
            thread.join()
        other.close()
        assert errors == []
        assert writing.check(store) == 299

    def child(self, folder: Path, task: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.store.writing", task, self.kind, str(folder)]
        paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
        )

    @pytest.mark.parametrize("acks", [1, 7, 60])
    def test_kill_9_while_writing_loses_nothing_acknowledged_and_halves_nothing(
        self, tmp_path: Path, acks: int
    ) -> None:
        last = -1
        for _ in range(2):
            with self.child(tmp_path, "write") as child:
                assert child.stdout is not None
                for _ in range(acks):
                    last = int(child.stdout.readline())
                child.send_signal(signal.SIGKILL)
                rest = child.stdout.read().split(b"\n")[:-1]
                last = int(rest[-1]) if rest else last
            store = self.open(tmp_path)
            assert writing.check(store) >= last
            assert list(store.verify()) == []
            store.close()
