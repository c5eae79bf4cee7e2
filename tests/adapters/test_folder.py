"""A folder as a source: what settles is told once, nothing is lost when much is said, and it may go and come back."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._folder_hints import Hints
from loom.adapters.folder import Folder, FolderOptions, folder
from loom.errors import ConfigError, MissingExtra
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe, new_loom, virtual_time


class Ear:
    """What the operating system would say, said by the test."""

    def __init__(self) -> None:
        self.alive = True
        self.closed = 0
        self.hints: Hints | None = None

    def __call__(self, root: str, recursive: bool, hints: Hints, below: Callable[[str], str | None]) -> Ear:
        self.hints, self.alive = hints, True
        return self

    def touch(self, *names: str) -> None:
        assert self.hints is not None
        for name in names:
            self.hints.touch(name)

    def close(self) -> None:
        self.closed += 1


def inbox(path: Path, ear: Ear | None = None, **options: Any) -> Folder:
    return Folder("inbox", FolderOptions(path, "inbox", **{"settle": 1.0, "rescan": 1000.0, **options}), ear)


def told(probe: Probe) -> list[tuple[str, str]]:
    return [(event.type, event.payload["name"]) for event in probe.events]


@virtual_time
async def test_a_file_is_told_when_it_was_left_alone_and_not_while_it_is_written(tmp_path: Path) -> None:
    ear = Ear()
    async with new_loom(inbox(tmp_path, ear)) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(0.1)
        path = tmp_path / "a.txt"
        for text in ("one", "one two", "one two three"):
            path.write_text(text)
            ear.touch("a.txt")
            await asyncio.sleep(0.8)
            assert probe.events == []
        await asyncio.sleep(1)
        (event,) = probe.events
        assert (event.topic, event.type, event.source) == ("inbox.created", "created", "inbox")
        found = path.stat()
        assert event.payload == {
            "path": str(path),
            "name": "a.txt",
            "size": 13,
            "kind": "text/plain",
            "mtime_ms": found.st_mtime_ns // 1_000_000,
            "change": "created",
        }
        path.rename(tmp_path / "b.txt")
        ear.touch("a.txt", "b.txt")
        await asyncio.sleep(2)
        os.unlink(tmp_path / "b.txt")
        ear.touch("b.txt")
        await asyncio.sleep(2)
        assert told(probe) == [("created", "a.txt"), ("moved", "b.txt"), ("deleted", "b.txt")]
        assert probe.payloads[1]["before"] == str(path)
    assert ear.closed == 1


@virtual_time
async def test_a_file_that_grows_without_a_word_from_the_system_is_waited_for(tmp_path: Path) -> None:
    ear = Ear()
    async with new_loom(inbox(tmp_path, ear)) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(0.1)
        (tmp_path / "a.txt").write_text("begin")
        ear.touch("a.txt")
        await asyncio.sleep(0.9)
        (tmp_path / "a.txt").write_text("begin and end")
        await asyncio.sleep(0.9)
        assert probe.events == []
        await asyncio.sleep(1)
        assert [payload["size"] for payload in probe.payloads] == [13]


@virtual_time
async def test_what_is_there_at_the_start_is_told_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    for existing in (False, True):
        async with new_loom(inbox(tmp_path, Ear(), existing=existing)) as loom:
            probe = Probe(loom.bus, "inbox.*")
            await asyncio.sleep(3)
            assert told(probe) == [("created", "old.txt")] * existing


@virtual_time
async def test_too_much_at_once_is_found_by_looking_and_nothing_is_lost(tmp_path: Path) -> None:
    ear = Ear()
    source = inbox(tmp_path, ear)
    async with new_loom(source) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(0.1)
        names = [f"{n:04}.txt" for n in range(1500)]
        for name in names:
            (tmp_path / name).write_text("x")
        ear.touch(*names)  # more than fit, and the loop has not run
        await asyncio.sleep(5)
        assert sorted(told(probe)) == [("created", name) for name in names]
        assert source.statistics()["scans"] == 2
    assert source.statistics()["overflows"] == 1


@virtual_time
async def test_without_a_word_from_the_system_a_look_now_and_then_finds_it(tmp_path: Path) -> None:
    source = inbox(tmp_path, None, rescan=5.0)
    async with new_loom(source) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(0.1)
        (tmp_path / "a.txt").write_text("x")
        await asyncio.sleep(10)
        assert told(probe) == [("created", "a.txt")]
    assert source.statistics()["polling"] is True


@virtual_time
async def test_a_folder_that_goes_is_lost_and_when_it_is_back_it_is_compared(tmp_path: Path) -> None:
    root, away = tmp_path / "in", tmp_path / "away"
    root.mkdir()
    (root / "same.txt").write_text("x")
    (root / "gone.txt").write_text("x")
    ear = Ear()
    async with new_loom(inbox(root, ear)) as loom:
        probe, health = Probe(loom.bus, "inbox.*"), Probe(loom.bus, "loom.adapter.>")
        await asyncio.sleep(0.1)
        root.rename(away)
        await asyncio.sleep(10)
        assert health.topics == ["loom.adapter.inbox.lost"]
        assert "is gone" in health.payloads[0]["reason"]
        assert probe.events == []
        (away / "gone.txt").unlink()
        (away / "new.txt").write_text("new")
        away.rename(root)
        await asyncio.sleep(60)
        assert health.topics == ["loom.adapter.inbox.lost", "loom.adapter.inbox.found"]
        assert sorted(told(probe)) == [("created", "new.txt"), ("deleted", "gone.txt")]


@virtual_time
async def test_in_a_folder_that_appears_later_everything_is_new(tmp_path: Path) -> None:
    root = tmp_path / "stick"
    async with new_loom(inbox(root, Ear())) as loom:
        probe, health = Probe(loom.bus, "inbox.*"), Probe(loom.bus, "loom.adapter.>")
        await asyncio.sleep(5)
        assert "make it, or name another one" in health.payloads[0]["reason"]
        root.mkdir()
        (root / "a.txt").write_text("x")
        await asyncio.sleep(60)
        assert told(probe) == [("created", "a.txt")]


@virtual_time
async def test_a_file_over_the_size_limit_is_refused_with_the_reason(tmp_path: Path) -> None:
    source = inbox(tmp_path, Ear(), existing=True, max_size=10)
    (tmp_path / "big.txt").write_text("x" * 11)
    (tmp_path / "fits.txt").write_text("x" * 10)
    async with new_loom(source) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(3)
        assert told(probe) == [("refused", "big.txt"), ("created", "fits.txt")]
        assert probe.payloads[0]["reason"] == "11 bytes, over max_size = 10"


@virtual_time
async def test_more_files_than_allowed_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(5):
        (tmp_path / f"{n}.txt").write_text("x")
    source = inbox(tmp_path, Ear(), existing=True, most=3)
    async with new_loom(source) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(3)
        assert len(probe.events) == 3
    assert source.statistics()["left_out"] == 2
    assert "more than 3 files" in caplog.text


@virtual_time
async def test_what_was_not_told_before_a_pause_is_told_after_it(tmp_path: Path) -> None:
    """A source that is stopped while it waits for room tells the rest when it runs again."""
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").write_text("x")
    source = inbox(tmp_path, Ear(), existing=True)
    heard: list[str] = []

    class Narrow:
        name = "inbox"
        full = True

        async def __call__(self, topic: str, payload: Any = None, **fields: Any) -> Any:
            if heard and self.full:
                await asyncio.Event().wait()
            heard.append(payload["name"])

        def found(self) -> None: ...

    out: Any = Narrow()
    first = asyncio.create_task(source.run(out))
    await asyncio.sleep(3)
    first.cancel()
    await asyncio.wait({first})
    assert heard == ["a.txt"]
    out.full = False
    second = asyncio.create_task(source.run(out))
    await asyncio.sleep(3)
    second.cancel()
    await asyncio.wait({second})
    assert heard == ["a.txt", "b.txt"]


@virtual_time
async def test_a_system_without_watches_left_is_polled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*arguments: object) -> Any:
        raise OSError(28, "inotify watch limit reached")

    source = Folder("inbox", FolderOptions(tmp_path, "inbox", settle=0.1, rescan=1.0), full)
    async with new_loom(source) as loom:
        probe = Probe(loom.bus, "inbox.*")
        await asyncio.sleep(0.5)
        (tmp_path / "a.txt").write_text("x")
        await asyncio.sleep(3)
        assert told(probe) == [("created", "a.txt")]
    assert "inotify watch limit reached" in caplog.text


@pytest.mark.parametrize("wrong", [{"settle": -1}, {"rescan": 0}, {"most": 0}, {"max_size": -1}])
def test_options_that_make_no_sense_are_a_config_error(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="folder"):
        inbox(tmp_path, **wrong)


def test_without_watchdog_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "loom.adapters._folder_watch", raising=False)
    monkeypatch.setitem(sys.modules, "watchdog.events", None)
    with pytest.raises(MissingExtra, match="desktop"):
        folder("inbox", tmp_path, "in")
    folder("inbox", tmp_path, "in", poll=True)


PROJECT = """
[sources.inbox]
use = "folder"
path = "in"
patterns = ["*.txt"]
recursive = true
settle = 0.05
"""


def from_file(home: Path, text: str) -> Loom:
    return build(parse_project(text, home / "loom.toml"))


async def test_one_block_of_a_project_file_watches_a_real_folder(tmp_path: Path) -> None:
    """Through watchdog and real time: every wait is for an event, none for a clock."""
    pytest.importorskip("watchdog")
    root = tmp_path / "in"
    root.mkdir()
    async with await asyncio.to_thread(from_file, tmp_path, PROJECT) as loom:
        probe, health = Probe(loom.bus, "folder.inbox.*"), Probe(loom.bus, "loom.adapter.>")
        watched: Any = loom.source("inbox").source.function
        while not watched.__self__.statistics()["scans"]:  # what is there at the start is not told
            await asyncio.sleep(0.01)
        (root / "a.txt").write_text("hello")
        (root / "a.pdf").write_text("not asked for")
        await probe.wait(1)
        (root / "sub").mkdir()
        (root / "sub" / "b.txt").write_text("hello")
        await probe.wait(2)
        (root / "a.txt").rename(root / "sub" / "c.txt")
        await probe.wait(3)
        shutil.rmtree(root / "sub")
        await probe.wait(5)
        assert told(probe)[:3] == [("created", "a.txt"), ("created", "b.txt"), ("moved", "c.txt")]
        assert sorted(told(probe)[3:]) == [("deleted", "b.txt"), ("deleted", "c.txt")]
        shutil.rmtree(root)
        await health.wait(1)
        root.mkdir()
        (root / "new.txt").write_text("x")
        await probe.wait(6)
        assert health.topics == ["loom.adapter.inbox.lost", "loom.adapter.inbox.found"]
        assert told(probe)[5] == ("created", "new.txt")


def test_a_wrong_key_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loom.toml:5.*patern.*did you mean 'patterns'"):
        from_file(tmp_path, PROJECT.replace("patterns", "paterns"))
    with pytest.raises(ConfigError, match=r"loom.toml:2.*patterns must be a list"):
        from_file(tmp_path, PROJECT.replace('["*.txt"]', '"*.txt"'))
    with pytest.raises(ConfigError, match="settle"):
        from_file(tmp_path, PROJECT.replace("0.05", "-1"))
