"""The lazy table of `loom/__init__.py` is a literal, equals `__all__`, and every name in it resolves."""

import ast
import importlib
from pathlib import Path

import loom

SOURCE = Path(loom.__file__ or "").read_text()


def literal_table() -> dict[str, str]:
    for node in ast.parse(SOURCE).body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(node, ast.Assign):
            target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == "_EXPORTS":
            table = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            assert isinstance(table, dict)
            return table
    raise AssertionError("loom/__init__.py has no literal _EXPORTS table")


def test_the_lazy_table_is_all() -> None:
    public = [name for name in loom.__all__ if not name.startswith("__")]
    assert sorted(public) == sorted(literal_table())
    assert len(set(loom.__all__)) == len(loom.__all__)


def test_each_name_is_the_object_of_its_module() -> None:
    for name, module in literal_table().items():
        assert getattr(loom, name) is getattr(importlib.import_module(module), name), name


def test_dir_lists_what_can_be_imported_and_an_unknown_name_is_an_attribute_error() -> None:
    assert set(loom.__all__) <= set(dir(loom))
    assert not hasattr(loom, "Lom")


def test_type_checkers_see_the_same_names() -> None:
    """The `if TYPE_CHECKING` block beside the table imports the same names from the same modules."""
    seen: dict[str, str] = {}
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                seen.update((alias.asname or alias.name, statement.module or "") for alias in statement.names)
    assert seen == literal_table()
