"""The mutant table fits the code, and the harness tells caught from survived.

`make mutants` runs the mutants; here only their rows are held against src and the required list.
"""

from pathlib import Path

import pytest

from mutants import _harness
from mutants._harness import Mutant

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def row(tmp_path: Path) -> Mutant:
    (tmp_path / "loom").mkdir()
    (tmp_path / "loom" / "one.py").write_text("a = 1\nb = 1\n")
    return Mutant("one is one", "loom/one.py", "a = 1", "a = 2", ("tests/test_one.py::test_it[x]",))


def test_every_row_of_the_table_fits_the_code_and_names_required_tests() -> None:
    required = _harness.required_entries()
    wrong = {
        m.promise: found
        for m in _harness.read_table()
        if (found := _harness.faults(m, ROOT / "src", required))
    }
    assert wrong == {}


def test_a_row_that_fits_has_no_faults(row: Mutant, tmp_path: Path) -> None:
    assert _harness.faults(row, tmp_path, ["tests/test_one.py::test_it"]) == []


def test_a_row_is_refused_when_its_text_or_its_test_is_not_there(row: Mutant, tmp_path: Path) -> None:
    def faults(required: list[str], **changes: str) -> list[str]:
        fields = {"promise": row.promise, "file": row.file, "old": row.old, "new": row.new} | changes
        return _harness.faults(Mutant(**fields, tests=row.tests), tmp_path, required)

    there = ["tests/test_one.py"]
    assert faults([]) == ["tests/test_one.py::test_it[x] is not in tests/required.txt"]
    assert faults(there, old="gone") == ["its text stands 0 times in loom/one.py, not once"]
    assert faults(there, old="= 1") == ["its text stands 2 times in loom/one.py, not once"]
    assert faults(there, file="loom/none.py") == ["its text stands 0 times in loom/none.py, not once"]
    assert faults(there, new=row.old) == ["it changes nothing"]


def test_a_row_with_an_unknown_or_a_missing_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.toml").write_text('[[mutant]]\npromise = "p"\nfiel = "f"\n')
    with pytest.raises(SystemExit, match=r"some\.toml"):
        _harness.read_table(tmp_path)


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _harness.Laboratory:
    """A checkout of one module and one test."""
    package = tmp_path / "src" / "loom"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "def one() -> int:\n    return 1\n\ndef two() -> int:\n    return 2\n"
    )
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tests / "test_one.py").write_text("import loom\n\ndef test_one() -> None:\n    assert loom.one() == 1\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    monkeypatch.setattr(_harness, "ROOT", tmp_path)
    laboratory = tmp_path / "laboratory"
    laboratory.mkdir()
    return _harness.Laboratory(laboratory)


TESTS = ("tests/test_one.py::test_one",)


def test_a_caught_bug_a_survivor_and_a_broken_import_are_told_apart(laboratory: _harness.Laboratory) -> None:
    assert laboratory.sound(TESTS)
    assert laboratory.survived(Mutant("caught", "loom/__init__.py", "return 1", "return 7", TESTS)) == []
    survivor = laboratory.survived(Mutant("survives", "loom/__init__.py", "return 2", "return 7", TESTS))
    assert survivor == ["tests/test_one.py::test_one passed"]
    broken = laboratory.survived(Mutant("broken", "loom/__init__.py", "return 1", "return (", TESTS))
    assert broken[0].startswith("pytest ended with")
    assert laboratory.sound(TESTS), "each bug is taken out again"


def test_a_test_that_fails_or_is_missing_without_a_bug_stops_the_run(laboratory: _harness.Laboratory) -> None:
    assert not laboratory.sound(("tests/test_one.py::test_gone",))
    (laboratory.src / "loom" / "__init__.py").write_text("def one() -> int:\n    return 3\n")
    assert not laboratory.sound(TESTS)
