"""What the router must not forget: in the store of a durable runtime, and in one file without a store."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loom import Loom
from loom.errors import ConfigError, LoomError
from loom.router.keep import LARGEST
from loom.runtime import _router_store
from loom.runtime._router_store import FiledKeep, StoredKeep


def stored(loom: Loom) -> StoredKeep:
    assert loom._durable is not None
    return StoredKeep(loom._durable)


def test_what_is_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    async def first() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            await asyncio.gather(*(keep.write(f"budget/{n}", str(n).encode()) for n in range(50)))
            await keep.write("budget/7", None)
            await keep.write("budgex", b"near")
            assert (keep.read("budget/3"), keep.read("budget/7"), keep.read("none")) == (b"3", None, None)

    async def second() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            assert len(keep.names("budget/")) == 49
            assert keep.names("budg") == [*keep.names("budget/"), "budgex"]
            assert len(keep.names()) == 50
            assert keep.read("budget/49") == b"49"

    asyncio.run(first())
    asyncio.run(second())


def test_what_is_written_at_once_goes_with_few_writes_of_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        async with Loom(data=tmp_path) as loom:
            keep = stored(loom)
            assert loom._durable is not None
            committer = loom._durable.journal.committer
            before = committer.writes
            await asyncio.gather(*(keep.write(f"n{n}", b"x") for n in range(1000)))
            assert committer.writes - before <= 2

    asyncio.run(main())


def test_a_value_over_the_limit_is_refused_by_both(tmp_path: Path) -> None:
    async def main() -> None:
        async with Loom(data=tmp_path / "data") as loom:
            for keep in (stored(loom), FiledKeep(tmp_path / "router.json")):
                with pytest.raises(LoomError, match="at most"):
                    await keep.write("large", b"x" * (LARGEST + 1))
                assert keep.names() == []

    asyncio.run(main())


def test_a_file_keeps_any_bytes_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / ".loom" / "router.json"

    async def main() -> None:
        keep = FiledKeep(file)
        await asyncio.gather(*(keep.write(f"n{n}", bytes([n, 0, 255])) for n in range(20)))
        await keep.write("n3", None)

    asyncio.run(main())
    again = FiledKeep(file)
    assert len(again.names("n")) == 19
    assert (again.read("n19"), again.read("n3")) == (bytes([19, 0, 255]), None)
    assert [path.name for path in file.parent.iterdir()] == ["router.json"]


def _counted(monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, dict[str, bytes]], None]) -> list[int]:
    """The number of values in each write from now on."""
    sizes: list[int] = []

    def counted(file: Path, kept: dict[str, bytes]) -> None:
        sizes.append(len(kept))
        write(file, kept)

    monkeypatch.setattr(_router_store, "_write", counted)
    return sizes


def test_what_comes_while_the_file_is_written_goes_with_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    real = _router_store._write

    def slow(file: Path, kept: dict[str, bytes]) -> None:
        begun.set()
        assert go.wait(30)
        real(file, kept)

    sizes = _counted(monkeypatch, slow)

    async def main() -> None:
        keep = FiledKeep(tmp_path / "router.json")
        first = asyncio.ensure_future(keep.write("first", b"1"))
        await asyncio.to_thread(begun.wait, 30)
        others = [asyncio.ensure_future(keep.write(f"n{n}", b"x")) for n in range(100)]
        await asyncio.sleep(0)
        assert keep.read("first") is None
        go.set()
        await asyncio.gather(first, *others)
        assert len(keep.names()) == 101

    asyncio.run(main())
    assert sizes == [1, 101]


def test_a_write_that_fails_is_told_and_the_file_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "router.json"

    def full(file: Path, kept: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        keep = FiledKeep(file)
        await keep.write("a", b"1")
        with monkeypatch.context() as patched:
            patched.setattr(_router_store, "_write", full)
            with pytest.raises(LoomError, match="No space left"):
                await keep.write("b", b"2")
        assert keep.names() == ["a"]
        await keep.write("c", b"3")

    asyncio.run(main())
    assert FiledKeep(file).names() == ["a", "c"]


def test_a_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_router_store, "LARGEST_FILE", 1000)
    keep = FiledKeep(tmp_path / "router.json")
    asyncio.run(keep.write("a", b"x" * 300))
    with pytest.raises(LoomError, match="give the project a store"):
        asyncio.run(keep.write("b", b"x" * 600))
    assert FiledKeep(tmp_path / "router.json").names() == ["a"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": "?"}', json.dumps({"a": "x" * 2000})])
def test_a_damaged_file_is_named_and_not_taken_for_an_empty_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_router_store, "LARGEST_FILE", 1000)
    file = tmp_path / "router.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"router\.json"):
        FiledKeep(file)
