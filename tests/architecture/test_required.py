"""The required list fails a run in which a named test was skipped, deselected, expected to fail or is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parent.parent / "conftest.py"
SUITE = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_each(n): pass

@pytest.mark.skip(reason="needs hardware")
def test_skipped(): pass

def test_skips_inside(): pytest.skip("not here")

@pytest.mark.xfail(reason="known", strict=False)
def test_expected_to_fail(): assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "conftest.py").write_text(CONFTEST.read_text())
    (tests / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    return tmp_path


def run(suite: Path, required: str, *arguments: str) -> tuple[int, str]:
    (suite / "required.txt").write_text(required)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--required=required.txt",
        *arguments,
    ]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_a_run_whose_required_tests_passed_is_green(suite: Path) -> None:
    required = (
        "# a comment\n\ntests/test_suite.py::test_passes  # and another\ntests/test_suite.py::test_each\n"
    )
    code, out = run(suite, required)
    assert code == 0, out
    assert "required tests" not in out
    assert "4 passed" not in out
    assert "3 passed" in out.splitlines()[-1]


def test_skipped_expected_to_fail_and_missing_are_named_and_fail_the_run(suite: Path) -> None:
    required = (
        "tests/test_suite.py::test_skipped\ntests/test_suite.py::test_skips_inside\n"
        "tests/test_suite.py::test_expected_to_fail\ntests/test_suite.py::test_gone\n"
    )
    code, out = run(suite, required)
    assert code == 1, out
    assert "tests/test_suite.py::test_skipped: skipped" in out
    assert "tests/test_suite.py::test_skips_inside: skipped" in out
    assert "tests/test_suite.py::test_expected_to_fail: expected to fail" in out
    assert "tests/test_suite.py::test_gone: no such test" in out
    assert "passed" in out.splitlines()[-1]


@pytest.mark.parametrize("selection", [["-k", "each"], ["--deselect", "tests/test_suite.py::test_passes"]])
def test_deselected_is_named_and_fails_the_run(suite: Path, selection: list[str]) -> None:
    code, out = run(suite, "tests/test_suite.py::test_passes\n", *selection)
    assert code == 1, out
    assert "tests/test_suite.py::test_passes: deselected" in out


def test_a_run_that_stops_early_leaves_required_tests_unmet(suite: Path) -> None:
    code, out = run(suite, "tests/test_suite.py::test_each[2]\n", "--collect-only")
    assert code == 1, out
    assert "tests/test_suite.py::test_each[2]: not run" in out
