"""Standard input as a source: every line once, in order and bounded, and its end is told."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._lines import Line, Lines
from loom.adapters.stdin import Stdin, stdin
from loom.errors import ConfigError
from loom.runtime import Loom
from loom.testing import Probe


@given(
    st.binary(max_size=200).map(lambda b: b.replace(b"\r", b"")),
    st.lists(st.integers(0, 200)),
    st.integers(1, 50),
)
def test_lines_are_the_same_however_the_bytes_come_and_never_longer_than_allowed(
    data: bytes, cuts: list[int], longest: int
) -> None:
    lines, found = Lines(longest), []
    places = [0, *sorted(c for c in cuts if c <= len(data)), len(data)]
    for begin, end in pairwise(places):
        found += lines.feed(data[begin:end])
    found += lines.end()
    whole = data.split(b"\n")
    expected = whole if whole[-1] else whole[:-1]
    assert found == [
        Line(each[:longest].decode("utf-8", "replace"), max(0, len(each) - longest)) for each in expected
    ]


def test_windows_line_ends_are_line_ends() -> None:
    assert Lines(10).feed(b"a\r\nb\r\n") == [Line("a", 0), Line("b", 0)]


async def test_lines_and_the_end_are_events_and_a_muted_source_loses_nothing() -> None:
    read, write = os.pipe()
    try:
        async with Loom().add(Stdin("stdin", longest=5, fd=read)) as loom:
            probe = Probe(loom.bus, "stdin.*")
            os.write(write, b"one\ntoo long\n\nbegun")
            await probe.wait(3)
            await loom.mute("stdin")
            os.write(write, b" and ended\nfour\n")
            os.close(write)
            write = -1
            await loom.unmute("stdin")
            await probe.wait(6)
        assert probe.topics == ["stdin.line"] * 5 + ["stdin.end"]
        assert [(p["text"], p["number"], p["cut"]) for p in probe.payloads[:5]] == [
            ("one", 1, 0), ("too l", 2, 3), ("", 3, 0), ("begun", 4, 10), ("four", 5, 0),
        ]  # fmt: skip
        assert probe.payloads[5] == {"lines": 5}
    finally:
        for fd in (read, write):
            if fd >= 0:
                os.close(fd)


def test_a_bound_that_makes_no_sense_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="longest"):
        stdin("stdin", longest=0)


PROGRAM = """
import asyncio
from pathlib import Path
from loom import on
from loom.runtime._config_build import build
from loom.runtime.config import parse_project

done = asyncio.Event()

@on("stdin.*")
async def show(event, ctx):
    print(event.type, event.payload)
    if event.type == "end":
        done.set()

async def main():
    async with build(parse_project('[sources.stdin]\\nuse = "stdin"\\n', Path("loom.toml"))).add(show):
        await done.wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["pipe", "file", "nothing"])
def test_one_block_of_a_project_file_reads_whatever_stands_behind_standard_input(
    tmp_path: Path, how: str
) -> None:
    (tmp_path / "in.txt").write_text("one\ntwo")
    command = [sys.executable, "-c", PROGRAM]
    given = {"pipe": b"one\ntwo"}.get(how)
    with (tmp_path / "in.txt").open("rb") as file:
        options = {"input": given} if given else {"stdin": file if how == "file" else subprocess.DEVNULL}
        ran = subprocess.run(command, capture_output=True, timeout=60, cwd=tmp_path, check=False, **options)
    lines = ran.stdout.decode().splitlines()
    if how in ("pipe", "file"):
        assert lines == [
            "line {'text': 'one', 'number': 1, 'cut': 0}",
            "line {'text': 'two', 'number': 2, 'cut': 0}",
            "end {'lines': 2}",
        ], ran.stderr.decode()
    elif how == "nothing":
        assert lines == ["end {'lines': 0}"]


def test_a_process_without_standard_input_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from loom.adapters.stdin import _standard_input
    from loom.errors import NoDevice

    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(NoDevice, match="no standard input"):
        _standard_input()
