"""`loom new`: a project that works, or nothing at all."""

import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import loom

FILES = {"loom.toml", "agents.py", "test_agents.py", "README.md"}


def test_a_new_project_is_fine_and_its_test_passes(tmp_path: Path) -> None:
    made = loom("new", "kitchen", cwd=tmp_path)
    assert made.returncode == 0
    assert "cd kitchen && loom run" in made.stdout
    folder = tmp_path / "kitchen"
    assert {path.name for path in folder.iterdir()} == FILES
    assert loom("run", "--check", cwd=folder).stdout == "loom.toml is fine: 1 source, 1 agent, 1 action\n"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kitchen").mkdir()
    (tmp_path / "kitchen" / "mine").write_text("precious")
    done = loom("new", "kitchen", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "kitchen exists already; choose another name, nothing was changed\n"
    assert [path.name for path in (tmp_path / "kitchen").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("a b", "project name 'a b'"), ("no/where", "there is no folder no"), ("", "project name")],
)
def test_a_name_that_cannot_be_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    done = loom("new", name, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def respect_permissions() -> None:
    """Root may write everywhere; take that from the process that is about to start."""
    drop_from_bounding_set, override_permissions = 24, 1
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions, 0, 0, 0)


def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    os.chmod(locked, 0o555)
    done = loom("new", "kitchen", cwd=locked, preexec_fn=respect_permissions)
    os.chmod(locked, 0o755)
    assert done.returncode == 1
    assert done.stderr == "cannot make kitchen: Permission denied; nothing was left behind\n"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = loom(
        "new", "kitchen", cwd=tmp_path, preexec_fn=little, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert done.returncode == 1
    assert done.stderr == "cannot make kitchen: File too large; nothing was left behind\n"
    assert list(tmp_path.iterdir()) == []
