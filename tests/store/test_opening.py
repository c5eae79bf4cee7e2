"""Opening a folder: what it holds is found, and a package that is missing is named with the command that adds it."""

import sys
from pathlib import Path

import pytest

from loom.errors import ConfigError, MissingExtra, StoreError
from loom.store.opening import kind_of, open_backend
from loom.store.repair import repair
from loom.store.sqlite import SqliteBackend


@pytest.fixture
def no_rocksdict(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "rocksdb" in name and name.startswith("loom.store")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rocksdict", None)


def test_a_new_folder_becomes_sqlite(tmp_path: Path) -> None:
    store = open_backend(tmp_path / "new")
    assert isinstance(store, SqliteBackend)
    assert kind_of(tmp_path / "new") == "sqlite"
    store.close()


@pytest.mark.usefixtures("no_rocksdict")
def test_rocksdb_without_its_package_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"'rocksdict' is not installed; run: .*\[rocksdb\]"):
        open_backend(tmp_path, "rocksdb")
    (tmp_path / "rocksdb").mkdir()
    with pytest.raises(MissingExtra, match="rocksdict"):
        open_backend(tmp_path)
    with pytest.raises(MissingExtra, match="rocksdict"):
        repair(tmp_path, "now")


def test_an_unknown_kind_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store of kind 'mongo'; the kinds are sqlite, rocksdb"):
        open_backend(tmp_path, "mongo")
    assert not list(tmp_path.iterdir())


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        open_backend(tmp_path / "new", read_only=True)
    assert not (tmp_path / "new").exists()
