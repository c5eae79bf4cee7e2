"""Every example runs, quickly, and prints what it says it prints."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
PATIENCE = {"speech_cascade.py": 400}
"""Seconds for an example that loads real models; the others take 60 at most."""


def promised(path: Path) -> list[str]:
    """The lines of output that the docstring of an example promises, after the line 'It prints:'."""
    text = path.read_text().split('"""')[1]
    return [line.strip() for line in text.partition("It prints:\n")[2].splitlines() if line.strip()]


@pytest.mark.timeout(420)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_prints_what_it_promises(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(path)]
    patience = PATIENCE.get(path.name, 60)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=patience)
    assert (done.returncode, done.stderr) == (0, "")
    assert promised(path)
    assert done.stdout.splitlines() == promised(path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_one_idea_in_20_to_60_lines(path: Path) -> None:
    assert 20 <= path.read_text().count("\n") <= 60


def test_the_page_of_examples_names_each() -> None:
    page = (FOLDER.parent / "docs" / "EXAMPLES.md").read_text()
    assert [path.name for path in EXAMPLES if f"examples/{path.name}" not in page] == []
