"""Which files of a folder count: by name, by kind, and never what a link leads out to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loom.adapters._folder_view import View
from loom.errors import DeviceLost


def opened(root: Path, **options: object) -> View:
    view = View(root, **options)  # type: ignore[arg-type]
    view.open()
    return view


def test_ordinary_files_with_matching_names_count_and_nothing_else(tmp_path: Path) -> None:
    for name in ("a.txt", "b.TXT", "c.pdf", ".hidden.txt", "d.txt~", "e.part"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.txt").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    assert set(opened(tmp_path).scan()) == {"a.txt", "b.TXT", "c.pdf"}
    assert set(opened(tmp_path, patterns=("*.txt",)).scan()) == {"a.txt"}
    stamp = opened(tmp_path).scan()["a.txt"]
    assert stamp is not None
    assert stamp.size == 1


def test_sub_folders_are_entered_only_when_asked_and_hidden_ones_never(tmp_path: Path) -> None:
    for name in ("sub", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("x")
    assert set(opened(tmp_path).scan()) == set()
    assert set(opened(tmp_path, recursive=True).scan()) == {"sub/a.txt"}
    assert set(opened(tmp_path, recursive=True, patterns=("sub/*",)).scan()) == {"sub/a.txt"}
    assert opened(tmp_path).look(["sub/a.txt"]) == {}
    assert opened(tmp_path, recursive=True).look([".git/a.txt", "sub/../../x"]) == {}


def test_links_out_of_the_folder_are_not_followed_and_are_counted(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (inside / "plain.txt").write_text("x")
    (inside / "out.txt").symlink_to(outside / "secret.txt")
    (inside / "in.txt").symlink_to(inside / "plain.txt")
    (inside / "folder").symlink_to(outside)
    (inside / "loop.txt").symlink_to(inside / "loop.txt")
    view = opened(inside, recursive=True)
    assert set(view.scan()) == {"plain.txt", "in.txt"}
    assert view.look(["out.txt", "folder/secret.txt"]) == {"out.txt": None, "folder/secret.txt": None}
    assert view.outside == 3  # each look at each of them


def test_a_name_that_is_no_text_is_left_out_and_counted(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).write_text("x")
    view = opened(tmp_path)
    assert view.scan() == {}
    assert view.unnamed == 1


def test_a_folder_that_is_gone_or_another_one_is_lost_and_its_files_are_not_deleted(tmp_path: Path) -> None:
    root = tmp_path / "in"
    with pytest.raises(DeviceLost, match=r"No such file.*make it, or name another"):
        opened(root)
    root.mkdir()
    (root / "a.txt").write_text("x")
    view = opened(root)
    root.rename(tmp_path / "away")
    with pytest.raises(DeviceLost, match="is gone"):
        view.scan(["a.txt"])
    root.mkdir()
    with pytest.raises(DeviceLost, match="replaced"):
        view.check()


def test_a_file_that_is_known_is_looked_at_even_if_there_are_too_many(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / f"{n}.txt").write_text("x")
    found = opened(tmp_path, most=2).scan(["8.txt", "gone.txt"])
    assert found["8.txt"] is not None
    assert found["gone.txt"] is None
    assert len(found) == 6
