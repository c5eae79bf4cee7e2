"""What the router must not forget, in one file without a store."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from loom.errors import ConfigError, LoomError
from loom.router import filed_keep
from loom.router.filed_keep import FiledKeep
from loom.router.keep import LARGEST


def test_a_value_over_the_limit_is_refused(tmp_path: Path) -> None:
    keep = FiledKeep(tmp_path / "router.json")
    with pytest.raises(LoomError, match="at most"):
        asyncio.run(keep.write("large", b"x" * (LARGEST + 1)))
    assert keep.names() == []


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

    monkeypatch.setattr(filed_keep, "_write", counted)
    return sizes


def test_what_comes_while_the_file_is_written_goes_with_the_next_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    real = filed_keep._write

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
            patched.setattr(filed_keep, "_write", full)
            with pytest.raises(LoomError, match="No space left"):
                await keep.write("b", b"2")
        assert keep.names() == ["a"]
        await keep.write("c", b"3")

    asyncio.run(main())
    assert FiledKeep(file).names() == ["a", "c"]


def test_a_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filed_keep, "LARGEST_FILE", 1000)
    keep = FiledKeep(tmp_path / "router.json")
    asyncio.run(keep.write("a", b"x" * 300))
    with pytest.raises(LoomError, match="give the project a store"):
        asyncio.run(keep.write("b", b"x" * 600))
    assert FiledKeep(tmp_path / "router.json").names() == ["a"]


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}', '{"a": "?"}', json.dumps({"a": "x" * 2000})])
def test_a_damaged_file_is_named_and_not_taken_for_an_empty_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filed_keep, "LARGEST_FILE", 1000)
    file = tmp_path / "router.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"router\.json"):
        FiledKeep(file)
