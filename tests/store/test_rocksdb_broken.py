"""Damaged files of RocksDB: a typed error, never another value, and repair that keeps what can be read."""

import random
import shutil
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from loom.errors import StoreCorrupt, StoreError, StoreFormat, StoreLocked
from loom.store import Family, Put
from loom.store.families import number
from loom.store.repair import repair
from loom.store.rocksdb import RocksDbBackend

BYTES = random.Random(5)
SOME = {(Family.JOURNAL, number(n)): BYTES.randbytes(500) for n in range(1_000)} | {
    (Family.STEPS, b"%d" % n): BYTES.randbytes(100) for n in range(1_000)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = RocksDbBackend(tmp_path / "data")
    store.checkpoint()  # the format, in a table of its own
    store.write([Put(family, key, value) for (family, key), value in SOME.items()])
    store.checkpoint()
    store.close()
    return tmp_path / "data"


def biggest(folder: Path) -> Path:
    return max((folder / "rocksdb").glob("*.sst"), key=lambda path: path.stat().st_size)


def damage(path: Path, at: int, what: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(what)] = what
    path.write_bytes(data)


def read_all(store: RocksDbBackend) -> dict[tuple[Family, bytes], bytes]:
    return {(f, k): v for f in (Family.JOURNAL, Family.STEPS) for k, v in store.scan(f, limit=10**6)}


def test_a_damaged_block_is_found_by_reading_and_by_verify(folder: Path) -> None:
    damage(biggest(folder), 300_000, b"garbage")
    store = RocksDbBackend(folder)
    found = 0
    for (family, key), value in SOME.items():
        try:
            assert store.get(family, key) == value
            found += 1
        except StoreCorrupt:
            pass
    assert len(SOME) - 100 < found < len(SOME)
    with pytest.raises(StoreCorrupt, match="`loom store repair"):
        read_all(store)
    with pytest.raises(StoreCorrupt):
        store.count(Family.JOURNAL)
    assert "checksum mismatch" in next(store.verify())
    store.close()


def test_repair_keeps_what_is_on_both_sides_of_a_damaged_block(folder: Path) -> None:
    damage(biggest(folder), 300_000, b"garbage")
    before = biggest(folder).read_bytes()
    report = repair(folder, "now")
    assert (folder / "damaged-now" / "rocksdb" / biggest(folder / "damaged-now").name).read_bytes() == before
    assert any("checksum mismatch" in line for line in report)
    assert any(line.startswith("could not be read: journal after") for line in report)
    store = RocksDbBackend(folder)
    assert list(store.verify()) == []
    found = read_all(store)
    assert found.items() <= SOME.items()
    assert len(SOME) - 100 < len(found) < len(SOME)
    store.close()


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*"])
def test_a_damaged_list_of_files_is_told_and_repaired(folder: Path, name: str) -> None:
    damage(next((folder / "rocksdb").glob(name)), 0, b"garbage garbage")
    for read_only in (False, True):
        with pytest.raises(StoreCorrupt, match="`loom store repair"):
            RocksDbBackend(folder, read_only=read_only)
    repair(folder, "now")
    store = RocksDbBackend(folder)
    assert read_all(store) == SOME
    store.close()


def test_a_list_of_files_that_is_cut_off_never_makes_an_empty_store(folder: Path) -> None:
    manifest = next((folder / "rocksdb").glob("MANIFEST-*"))
    manifest.write_bytes(manifest.read_bytes()[: manifest.stat().st_size // 3])
    tables = set((folder / "rocksdb").glob("*.sst"))
    with pytest.raises((StoreCorrupt, StoreFormat)):
        RocksDbBackend(folder)
    assert set((folder / "rocksdb").glob("*.sst")) == tables, "opening deleted what was not in the list"
    repair(folder, "now")
    store = RocksDbBackend(folder)
    assert read_all(store) == SOME
    store.close()


def test_a_missing_table_is_told(folder: Path) -> None:
    biggest(folder).unlink()
    with pytest.raises(StoreCorrupt):
        RocksDbBackend(folder)


def test_a_crash_before_the_first_write_leaves_a_store_that_opens(tmp_path: Path) -> None:
    (tmp_path / "rocksdb").mkdir()
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    Rdict(str(tmp_path / "rocksdb"), options).close()
    store = RocksDbBackend(tmp_path)
    assert list(store.verify()) == []
    store.close()


def test_a_program_that_is_no_loom_and_has_it_open_is_told(folder: Path) -> None:
    stranger = Rdict(str(folder / "rocksdb"), Options(raw_mode=True))
    with pytest.raises(StoreLocked, match="open in another program"):
        RocksDbBackend(folder)
    stranger.close()
    RocksDbBackend(folder).close()


def test_repair_never_overwrites(folder: Path) -> None:
    report = repair(folder, "now")
    assert report[1] == f"kept: {len(SOME) + 1:,} entries"
    with pytest.raises(StoreError, match="damaged-now exists already"):
        repair(folder, "now")


def test_a_backup_by_a_reader_is_a_store(folder: Path, tmp_path: Path) -> None:
    writer = RocksDbBackend(folder)
    reader = RocksDbBackend(folder, read_only=True)
    reader.backup(str(tmp_path / "copy"))
    copy = RocksDbBackend(tmp_path / "copy")
    assert read_all(copy) == SOME
    for store in (copy, reader, writer):
        store.close()


def test_a_reader_keeps_up_with_a_writer_that_folds_and_compacts(folder: Path) -> None:
    writer = RocksDbBackend(folder)
    reader = RocksDbBackend(folder, read_only=True)
    for n in range(5):
        writer.write([Put(Family.NOTES, number(n), b"x" * 1_000)])
        writer.checkpoint()
        if n % 2:
            writer.compact()
        assert reader.last(Family.NOTES) == number(n)
    scratch = Path(str(reader._scratch))
    reader.close()
    assert not scratch.exists()
    writer.close()
    shutil.rmtree(folder)
