"""The catalog is a table that holds: names that exist, methods that are there, packages that are pinned."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from loom.models import catalog
from loom.models.catalog import BACKENDS, Backend, able, advice, package_of

ROOT = Path(__file__).parent.parent.parent
PINNED = {
    line.split("==")[0].lower().replace("_", "-"): line.split("==")[1].split()[0]
    for path in (ROOT / "requirements").glob("*.txt")
    if path.name != "sizes.txt"
    for line in path.read_text().splitlines()
    if re.match(r"[A-Za-z0-9].*==", line)
}
EXTRAS = re.findall(r"^([a-z-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
rows = pytest.mark.parametrize("row", BACKENDS.values(), ids=list(BACKENDS))


@rows
def test_its_factory_is_there_and_needs_no_package_to_be_found(row: Backend) -> None:
    module, _, attribute = row.spec.partition(":")
    assert module.startswith("loom.models.")
    assert callable(getattr(importlib.import_module(module), attribute))


@rows
def test_it_says_what_it_is(row: Backend) -> None:
    assert row.tasks
    assert row.summary
    assert row.licence
    assert row.extra in EXTRAS
    assert row.memory_limit >= 64 << 20
    assert set(row.bare) <= set(row.packages)
    assert set(row.needs) <= set(row.settings)
    assert set(row.streams) <= set(row.tasks), "what can be had in pieces can be had whole"


@rows
def test_its_packages_are_pinned_in_requirements_in_the_same_version(row: Backend) -> None:
    for requirement in row.packages:
        name = package_of(requirement).lower().replace("_", "-")
        if name not in PINNED:  # too large for everybody; whoever wants it gets this version
            assert requirement in row.bare
            assert "==" in requirement
        elif "==" in requirement:
            assert PINNED[name] == requirement.split("==")[1].split()[0]


def test_rows_have_names_of_their_own() -> None:
    assert len(catalog._ROWS) == len(BACKENDS)
    assert all(re.fullmatch(r"[a-z][a-z0-9_-]{1,13}", name) for name in BACKENDS)


def test_advice_names_the_backend_and_the_command_or_the_nearest_task() -> None:
    assert [each.name for each in able("faces.detect")] == ["faces"]
    assert "; faces does 'faces.detect': add loom.local_model('faces')" in advice("faces.detect")
    assert "[vision]'" in advice("faces.detect")
    assert advice("transcrib") == "; did you mean 'transcribe'?"
    assert advice("xyzzy") == "; `loom models` lists what can be added"


@pytest.mark.parametrize("text", ["numpy", "numpy==2.1", "numpy>=2 ; python_version > '3'", " numpy[x]"])
def test_the_package_of_a_requirement(text: str) -> None:
    assert package_of(text) == "numpy"
