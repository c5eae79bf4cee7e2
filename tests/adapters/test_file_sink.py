"""Files as actions: whole or not at all, within limits, and never outside the granted folder, whatever it says."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.adapters._granted_folder import GrantedFolder
from loom.adapters.file_sink import FileSink
from loom.errors import ActionFailed, ConfigError
from loom.runtime import Loom
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import new_loom, virtual_time


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was imported from a project is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in {"agents"} & (set(sys.modules) - modules):
        del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def granted(tmp_path: Path) -> GrantedFolder:
    (tmp_path / "secret.txt").write_text("secret")
    return GrantedFolder(tmp_path / "in", 100)


def test_what_is_written_is_read_appended_to_and_listed(granted: GrantedFolder) -> None:
    assert granted.write("notes/today.txt", b"one") == 3
    assert granted.append("notes/today.txt", b" two") == 7
    assert granted.append("new.txt", b"x") == 1
    assert granted.read("notes/today.txt") == b"one two"
    assert granted.write("notes/today.txt", b"anew") == 4
    assert granted.read("notes/today.txt") == b"anew"
    listed = granted.entries("", 10)
    assert [(e["name"], e["kind"]) for e in listed] == [("new.txt", "file"), ("notes", "folder")]
    assert listed[0]["size"] == 1
    assert listed[0]["mtime_ms"] > 0
    assert [e["name"] for e in granted.entries("notes", 10)] == ["today.txt"]
    assert os.listdir(granted.root / "notes") == ["today.txt"]  # nothing half written beside it
    assert len(granted.entries("", 1)) == 1


WRONG = [
    "../secret.txt", "notes/../../secret.txt", "/etc/passwd", "", "a//b", "./a", "a/.", "a/..", "..", "a\0b", "x" * 256,
    "/".join("a" * 40), "\udc80",
]  # fmt: skip


@pytest.mark.parametrize("path", WRONG)
def test_a_path_that_leads_out_or_makes_no_sense_is_refused(granted: GrantedFolder, path: str) -> None:
    granted.write("a.txt", b"x")
    for do in _all(granted, path):
        with pytest.raises(ActionFailed):
            do()
    assert sorted(os.listdir(granted.root)) == ["a.txt"]


def _all(granted: GrantedFolder, path: str) -> list[Callable[[], Any]]:
    return [
        lambda: granted.write(path, b"x"),
        lambda: granted.append(path, b"x"),
        lambda: granted.read(path),
        *([] if path == "" else [lambda: granted.entries(path, 10)]),
    ]


def test_links_are_not_followed_at_any_step(granted: GrantedFolder, tmp_path: Path) -> None:
    granted.write("a.txt", b"x")
    (granted.root / "file").symlink_to(tmp_path / "secret.txt")
    (granted.root / "folder").symlink_to(tmp_path)
    (granted.root / "inside").symlink_to(granted.root / "a.txt")
    for path in ("file", "folder/secret.txt", "folder/new.txt", "inside"):
        for do in _all(granted, path):
            with pytest.raises(ActionFailed, match="link"):
                do()
    assert (tmp_path / "secret.txt").read_text() == "secret"
    assert not (tmp_path / "new.txt").exists()
    assert [e["name"] for e in granted.entries("", 10)] == ["a.txt"]


def test_a_file_with_a_second_name_elsewhere_is_not_appended_to(
    granted: GrantedFolder, tmp_path: Path
) -> None:
    granted.write("a.txt", b"x")
    os.link(tmp_path / "secret.txt", granted.root / "hard")
    with pytest.raises(ActionFailed, match="second name"):
        granted.append("hard", b"x")
    granted.write("hard", b"mine")
    assert (tmp_path / "secret.txt").read_text() == "secret"


def test_what_is_no_ordinary_file_is_refused_without_waiting_for_it(granted: GrantedFolder) -> None:
    granted.write("folder/a.txt", b"x")
    os.mkfifo(granted.root / "pipe")
    for path in ("folder", "pipe"):
        for do in _all(granted, path)[:3]:
            with pytest.raises(ActionFailed):
                do()


def test_sizes_over_the_limit_are_refused_and_change_nothing(granted: GrantedFolder) -> None:
    granted.write("a.txt", b"x" * 100)
    with pytest.raises(ActionFailed, match="101 bytes, over max_size = 100"):
        granted.write("a.txt", b"x" * 101)
    with pytest.raises(ActionFailed, match="101 bytes"):
        granted.append("a.txt", b"x")
    assert granted.read("a.txt") == b"x" * 100
    (granted.root / "big.txt").write_bytes(b"x" * 101)
    with pytest.raises(ActionFailed, match="101 bytes"):
        granted.read("big.txt")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    granted: GrantedFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted.write("a.txt", b"old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ActionFailed, match="No space left"):
        granted.write("a.txt", b"new")
    assert granted.read("a.txt") == b"old"
    assert os.listdir(granted.root) == ["a.txt"]


def test_a_folder_that_is_not_there_cannot_be_read_and_is_made_by_writing(granted: GrantedFolder) -> None:
    with pytest.raises(ActionFailed, match="No such file"):
        granted.entries("", 10)
    granted.write("a.txt", b"x")
    with pytest.raises(ActionFailed, match="No such file"):
        granted.read("other.txt")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=st.lists(st.sampled_from(["..", ".", "", "a", "in", "link", "\\", "~", "%2e"]), max_size=5).map(
        "/".join
    )
)
def test_no_path_at_all_touches_anything_outside(tmp_path: Path, path: str) -> None:
    root = tmp_path / "in"
    root.mkdir(exist_ok=True)
    if not (root / "link").is_symlink():
        (root / "link").symlink_to(tmp_path)
    granted = GrantedFolder(root, 100)
    for do in _all(granted, path)[:2]:
        try:
            do()
        except ActionFailed:
            continue
    assert os.listdir(tmp_path) == ["in"]
    assert (root / "link").is_symlink()


@virtual_time
async def test_agents_use_the_actions_under_the_name_of_the_sink(tmp_path: Path) -> None:
    async with new_loom(FileSink("notes", tmp_path)) as loom:
        assert await loom.call("notes.write", path="a.txt", text="grüße") == {"size": 7}
        assert await loom.call("notes.append", path="a.txt", text="\n") == {"size": 8}
        assert await loom.call("notes.read", path="a.txt") == "grüße\n"
        listed = await loom.call("notes.list")
        assert [e["name"] for e in listed["entries"]] == ["a.txt"]
        assert listed["more"] is False
        (tmp_path / "b.bin").write_bytes(b"\xff")
        with pytest.raises(ActionFailed, match="no UTF-8"):
            await loom.call("notes.read", path="b.bin")
        with pytest.raises(ActionFailed, match="is none"):
            await loom.call("notes.write", path="c.txt", text="\ud800")


def test_read_only_offers_nothing_that_writes(tmp_path: Path) -> None:
    assert {a.name for a in FileSink("f", tmp_path, read_only=True).actions()} == {"f.read", "f.list"}
    with pytest.raises(ConfigError, match="max_size"):
        FileSink("f", tmp_path, max_size=-1)


PROJECT = """
[actions.notes]
use = "file"
folder = "notes"
max_size = 10
[agents.writer]
use = "agents:writer"
grants = ["notes.write"]
[agents.reader]
use = "agents:reader"
"""
AGENTS = """
from loom import on

@on("note")
async def writer(event, ctx):
    ctx.publish("wrote", await ctx.call("notes.write", path="a.txt", text=event.payload))

@on("wrote")
async def reader(event, ctx):
    ctx.publish("read", await ctx.call("notes.read", path="a.txt"))
"""


async def test_one_block_of_a_project_file_grants_a_folder_to_whom_it_says(tmp_path: Path) -> None:
    import asyncio

    from loom.testing import Probe

    def made() -> Loom:
        (tmp_path / "agents.py").write_text(AGENTS)
        return build(parse_project(PROJECT, tmp_path / "loom.toml"))

    async with await asyncio.to_thread(made) as loom:
        wrote, read, dead = (Probe(loom.bus, p) for p in ("wrote", "read", "loom.agent.>"))
        await loom.publish("note", "hello")
        await wrote.wait()
        await loom.idle()
        assert read.events == []
        assert any("notes.read" in str(payload) for payload in dead.payloads)
        assert (tmp_path / "notes" / "a.txt").read_text() == "hello"


def test_a_block_without_a_folder_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"loom.toml:2: 'file' needs folder"):
        build(parse_project(PROJECT.replace('folder = "notes"', ""), tmp_path / "loom.toml"))
