"""The how-to page is code that runs, and prints what it says it prints."""

from pathlib import Path

import pytest

from tests.test_readme import BLOCK

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "teams.md"


def test_the_page_runs_from_top_to_bottom(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "page"}
    blocks = [(match[1], match[2]) for match in BLOCK.finditer(PAGE.read_text())]
    assert len(blocks) == 3
    for code, output in blocks:
        exec(compile(code, str(PAGE), "exec"), names)
        assert capsys.readouterr().out == (output or "")
