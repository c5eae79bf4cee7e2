"""The reader of pages finds what SQLite finds, and makes nothing up whatever the bytes are."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loom.errors import StoreError
from loom.store import Family, Put
from loom.store._sqlite_pages import Lost, Pages, Row
from loom.store._sqlite_schema import PAGE
from loom.store.families import number
from loom.store.repair import repair
from loom.store.sqlite import SqliteBackend

FAMILIES = [Family.JOURNAL, Family.STATES, Family.STEPS]
sizes = st.integers(0, 60) | st.integers(900, 1_100) | st.integers(4_000, 4_200) | st.integers(0, 30_000)
rows = st.lists(st.tuples(st.sampled_from(FAMILIES), st.integers(0, 200), st.none() | sizes), max_size=60)


def pages_of(folder: Path) -> list[Row | Lost]:
    return list(Pages((folder / "loom.db").read_bytes(), PAGE).read())


@settings(max_examples=40, deadline=None)
@given(st.lists(rows, max_size=4))
def test_it_finds_exactly_what_is_kept(writes: list[list[tuple[Family, int, int | None]]]) -> None:
    folder = Path(tempfile.mkdtemp())
    store = SqliteBackend(folder)
    for write in writes:
        store.write([Put(f, number(n), None if size is None else b"%d" % n * size) for f, n, size in write])
        store.checkpoint()
    raw = store._reader
    assert raw is not None
    kept = {
        Row(table, key, value)
        for table in ("journal", "large", "entries")
        for key, value in raw.execute(f"SELECT k, v FROM {table}")
    }
    store.close()
    found = pages_of(folder)
    assert set(found) == kept
    assert len(found) == len(kept)
    shutil.rmtree(folder)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 7), st.binary(min_size=1, max_size=200), st.integers(0, PAGE - 1))
def test_garbage_is_lost_never_an_error(kind: int, garbage: bytes, at: int) -> None:
    head = bytes([(0x0D, 0x0A, 0x02, 0x05, 0, 0xFF, 1, 0x0D)[kind]])
    page = bytearray((head + random.Random(kind).randbytes(PAGE))[:PAGE])
    page[at : at + len(garbage)] = garbage
    image = bytes(PAGE) + bytes(page[:PAGE]).ljust(PAGE, b"\0")
    assert all(isinstance(row, Lost) for row in Pages(image, PAGE).read())


def test_a_chain_of_pages_that_bites_its_tail_ends() -> None:
    cell = bytes(
        [0xFF] * 8 + [0x7F, 1]
    )  # a row of a length beyond everything, on a page that goes on at itself
    page = bytearray(bytes([0x0D, 0, 0, 0, 1, 0, 0, 0, 0, 16]).ljust(16, b"\0") + cell).ljust(PAGE, b"\2")
    assert list(Pages(bytes(PAGE) + bytes(page), PAGE).read()) == [
        Lost(2, "row 1 of 1: it is longer than the file")
    ]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[Family, bytes], bytes]]:
    dice, folder = random.Random(11), tmp_path_factory.mktemp("sound")
    kept = {
        (f, number(n)): dice.randbytes(dice.choice([0, 20, 900, 5_000])) for n in range(60) for f in FAMILIES
    }
    store = SqliteBackend(folder)
    store.write([Put(family, key, value) for (family, key), value in kept.items()])
    store.close()
    return folder, kept


def read_all(folder: Path) -> dict[tuple[Family, bytes], bytes]:
    """What can be read, key by key; raises nothing but StoreError, and not even that for a part."""
    found = {}
    try:
        store = SqliteBackend(folder, read_only=True)
    except StoreError:
        return {}
    for family in FAMILIES:
        for n in range(60):
            try:
                value = store.get(family, number(n))
            except StoreError:
                continue
            if value is not None:
                found[family, number(n)] = value
    assert all(isinstance(line, str) for line in store.verify())
    store.close()
    return found


@settings(max_examples=60, deadline=None)
@given(
    where=st.floats(0, 1, exclude_max=True),
    garbage=st.binary(min_size=1, max_size=64),
    times=st.integers(1, 200),
)
@example(where=0.0763653128223667, garbage=b"\x01", times=1)  # an index that leads to another row
def test_whatever_is_damaged_nothing_is_read_that_was_not_written(
    sound: tuple[Path, dict[tuple[Family, bytes], bytes]], where: float, garbage: bytes, times: int
) -> None:
    source, kept = sound
    folder = Path(tempfile.mkdtemp()) / "data"
    shutil.copytree(source, folder)
    data = bytearray((folder / "loom.db").read_bytes())
    at = int(where * len(data))
    data[at : at + len(garbage) * times] = (garbage * times)[: len(data) - at]
    (folder / "loom.db").write_bytes(data)
    assert read_all(folder).items() <= kept.items()
    repair(folder, "now")
    assert read_all(folder).items() <= kept.items()
    shutil.rmtree(folder.parent)
