"""The first screen of the README runs as pasted, and what it says it prints is what it prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = [
    ROOT / "README.md",
    ROOT / "docs" / "QUICKSTART.md",
    ROOT / "docs" / "BACKPRESSURE.md",
    ROOT / "docs" / "EXTENSIBILITY.md",
]
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def blocks(document: Path) -> list[tuple[str, str | None]]:
    """The Python of a document that is a whole program, each with the output that follows it."""
    found = [(match[1], match[2]) for match in BLOCK.finditer(document.read_text())]
    return [(code, output) for code, output in found if "asyncio.run(" in code]


CASES = [(path, number) for path in DOCS for number in range(len(blocks(path)))]


@pytest.mark.parametrize(("document", "number"), CASES, ids=lambda case: getattr(case, "name", str(case)))
def test_a_program_in_the_docs_runs_as_pasted(document: Path, number: int, tmp_path: Path) -> None:
    code, output = blocks(document)[number]
    (tmp_path / "pasted.py").write_text(code)
    command = [sys.executable, "-W", "error", "pasted.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    if output is not None:
        assert done.stdout == output


def test_the_readme_begins_with_the_two_commands_and_a_greeter() -> None:
    first_screen = "\n".join((ROOT / "README.md").read_text().splitlines()[:60])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert "class Greeter(Agent):" in first_screen
    assert blocks(ROOT / "README.md")


def test_every_page_that_the_docs_link_to_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    missing = {
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in link and not (page.parent / link).exists()
    }
    assert missing == set()


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", (ROOT / "ARCHITECTURE.md").read_text())  # not NAME.py
    assert len(named) > 10
    homes = (ROOT, ROOT / "src" / "loom")
    assert [file for file in named if not any((home / file).exists() for home in homes)] == []
