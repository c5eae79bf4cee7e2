"""The console as an action: lines of plain text, nothing that a terminal would obey, and no words to a closed pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters.console import Console, plain
from loom.errors import ActionFailed
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import new_loom, virtual_time


@given(st.text(), st.integers(1, 50))
def test_nothing_but_printable_characters_tabs_and_line_ends_comes_through(text: str, longest: int) -> None:
    shown = plain(text, longest)
    assert all(c in "\n\t" or c.isprintable() for c in shown)
    assert len(text) > longest or len(shown) == len(text)


def test_a_text_that_is_too_long_is_cut_and_says_so() -> None:
    assert plain("x" * 30, 10) == "x" * 10 + "... (20 more characters)"
    assert plain("\x1b[31mred\x07\r") == "�[31mred��"


@virtual_time
async def test_lines_are_printed_in_order_with_their_prefix() -> None:
    stream = io.StringIO()
    async with new_loom(Console("console", stream, prefix="> ")) as loom:
        for text in ("one\ntwo", "", "three"):
            await loom.call("console.print", text=text)
    assert stream.getvalue() == "> one\n> two\n> \n> three\n"


@virtual_time
async def test_a_console_that_is_closed_or_cannot_show_it_is_a_failure_of_the_action() -> None:
    closed = io.StringIO()
    closed.close()
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    async with new_loom(Console("a", closed), Console("b", narrow)) as loom:
        with pytest.raises(ActionFailed, match="gone"):
            await loom.call("a.print", text="x")
        with pytest.raises(ActionFailed, match="PYTHONUTF8"):
            await loom.call("b.print", text="grün")


def test_one_block_of_a_project_file_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loom = build(
        parse_project('[actions.console]\nuse = "console"\nprefix = "loom: "\n', tmp_path / "loom.toml")
    )

    async def main() -> None:
        async with loom:
            await loom.call("console.print", text="hello")

    import asyncio

    asyncio.run(main())
    assert "loom: hello\n" in capsys.readouterr().out
