"""The program in docs/PRIVACY.md does what the page says."""

import contextlib
import io
from pathlib import Path

from tests.test_readme import BLOCK

PAGE = Path(__file__).parent.parent.parent / "docs" / "PRIVACY.md"


def test_the_page_runs_as_written() -> None:
    ((program, shown),) = BLOCK.findall(PAGE.read_text())
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    assert out.getvalue() == shown
