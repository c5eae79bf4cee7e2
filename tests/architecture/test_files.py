"""What holds for every file: short enough to read, small enough to install."""

import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("src", "tests", "benchmarks", "mutants", "scripts", "examples")
GENERATED = ROOT / "src" / "loom" / "v1"


def hand_written() -> list[Path]:
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return [path for path in found if GENERATED not in path.parents]


def test_no_file_is_over_400_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in hand_written()}
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_the_core_installs_in_at_most_one_megabyte() -> None:
    """The core is what the import contract of that name lists: what people touch, devices, models and workers aside."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    core = next(c["source_modules"] for c in contracts if c["name"].startswith("The core needs"))
    paths = [ROOT / "src" / module.replace(".", "/") for module in core]
    files = [
        file
        for path in paths
        for file in (path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")])
    ]
    assert 0 < sum(file.stat().st_size for file in files) <= 1_000_000


def test_each_folder_of_code_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "src" / "loom").rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_the_wheel_is_pure_and_its_bare_install_needs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flit_core import buildapi

    monkeypatch.chdir(ROOT)
    name = buildapi.build_wheel(str(tmp_path))
    assert name.startswith("loom_runtime-")
    assert name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(tmp_path / name) as wheel:
        folder = next(n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(folder).decode())
    needed = metadata.get_all("Requires-Dist") or []
    assert [line for line in needed if "extra ==" not in line] == []
    assert "vision" in (metadata.get_all("Provides-Extra") or [])
