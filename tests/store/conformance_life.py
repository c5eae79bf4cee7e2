"""What every Backend must do from its opening to its end; see conformance.py for what it keeps."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import loom
from loom.errors import Closed, ConfigError, StoreCorrupt, StoreError, StoreFormat, StoreLocked
from loom.store import Backend, Family, Put
from loom.store._format import KEY, VERSION
from loom.store.families import number
from loom.store.opening import kind_of, open_backend
from tests.store import writing
from tests.store.conformance import NUMBERED, SMALL, Keeping

ROOT, SRC = Path(__file__).parent.parent.parent, Path(loom.__file__).parent.parent


class Conformance(Keeping):
    """All of it."""

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
        paths = os.pathsep.join([str(SRC), str(ROOT)])
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
