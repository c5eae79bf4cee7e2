"""What the router must not forget, in one file without a store."""

import asyncio
import json
import subprocess
import sys
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
    assert sorted(path.name for path in file.parent.iterdir()) == ["router.json", "router.json.lock"]
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


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


OTHER = """
import asyncio, sys
from pathlib import Path
from loom.router.filed_keep import FiledKeep

keep = FiledKeep(Path(sys.argv[1]))
print(keep.names(), flush=True)
sys.stdin.readline()
try:
    asyncio.run(keep.write("other", b"x"))
    print("written", flush=True)
except Exception as error:
    print(type(error).__name__, error, flush=True)
sys.stdin.readline()
"""


def other(file: Path) -> subprocess.Popen[str]:
    """Another process that reads the file, and writes it when it is told to."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", OTHER, str(file)], stdin=pipe, stdout=pipe, text=True)


def say(process: subprocess.Popen[str]) -> str:
    """Tell it to go on; its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return process.stdout.readline()


@pytest.mark.skipif(sys.platform == "win32", reason="no such locks")
def test_two_processes_do_not_undo_what_the_other_spent(tmp_path: Path) -> None:
    file = tmp_path / "router.json"
    mine = FiledKeep(file)
    asyncio.run(mine.write("mine", b"1"))
    with other(file) as second:
        assert second.stdout is not None
        assert second.stdout.readline() == "['mine']\n"
        assert "LoomError" in (told := say(second))
        assert "another process uses it" in told
        second.communicate("")
    late = FiledKeep(file)
    del mine  # and with it its lock
    with other(file) as third:
        assert third.stdout is not None
        assert third.stdout.readline() == "['mine']\n"
        assert say(third) == "written\n"
        third.communicate("")
    with pytest.raises(LoomError, match="start this one again"):
        asyncio.run(late.write("late", b"1"))
    assert FiledKeep(file).names() == ["mine", "other"]


def test_a_file_that_was_deleted_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "router.json"
    keep = FiledKeep(file)
    asyncio.run(keep.write("a", b"1"))
    file.unlink()
    asyncio.run(keep.write("b", b"2"))
    assert FiledKeep(file).names() == ["a", "b"]


def test_what_a_loop_that_ended_wanted_is_written_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    real = filed_keep._write

    def slow(file: Path, kept: dict[str, bytes]) -> None:
        begun.set()
        go.wait(30)
        real(file, kept)

    monkeypatch.setattr(filed_keep, "_write", slow)
    keep = FiledKeep(tmp_path / "router.json")

    async def first() -> None:
        asyncio.ensure_future(keep.write("a", b"1"))
        await asyncio.to_thread(begun.wait, 30)
        asyncio.get_running_loop().call_soon(go.set)

    asyncio.run(first())
    asyncio.run(keep.write("b", b"2"))
    assert FiledKeep(tmp_path / "router.json").names() == ["a", "b"]
