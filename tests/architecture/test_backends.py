"""The runtime's one table of what it loads by name agrees with the code and with the extras of the package."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

from loom.runtime import _backends

ROOT = Path(__file__).parent.parent.parent
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.mark.parametrize("name", sorted(_backends.LATE))
def test_each_row_names_a_thing_that_is_there_and_an_extra_that_exists(name: str) -> None:
    module, attribute, extra = _backends.LATE[name]
    assert hasattr(importlib.import_module(module), attribute)
    assert extra in EXTRAS


def test_the_runtime_loads_by_name_through_the_table_alone() -> None:
    folder = ROOT / "src" / "loom" / "runtime"
    others = {
        path.name
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
    }
    assert others <= {"_backends.py"}
