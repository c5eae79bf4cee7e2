"""Every block of the page about this machine builds a runtime, and what the page calls an event or an action is one."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom.runtime._config_build import build
from loom.runtime.config import parse_project

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "local-sources.md"
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
AGENTS = "from loom import Agent\n\nclass Secretary(Agent):\n    notes: int = 0\n"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was imported from a project is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in {"agents"} & (set(sys.modules) - modules):
        del sys.modules[name]
    sys.path[:] = path


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_block_builds(number: int, tmp_path: Path) -> None:
    for package in ("watchdog", "psutil", "cronsim", "PIL"):
        pytest.importorskip(package)
    (tmp_path / "agents.py").write_text(AGENTS)
    loom = build(parse_project(BLOCKS[number], tmp_path / "loom.toml"))
    names = re.findall(r"\[sources\.(\w+)\]", BLOCKS[number])
    assert [loom.source(name).name for name in names] == names


def test_the_actions_on_the_page_are_those_there_are(tmp_path: Path) -> None:
    (block,) = (block for block in BLOCKS if "[actions." in block)
    (tmp_path / "agents.py").write_text(AGENTS)
    loom = build(parse_project(block, tmp_path / "loom.toml"))
    there = {action.name for action in loom.registry}
    assert {
        "console.print", "notify.send", "ui.show", "tools.run",
        "notes.write", "notes.append", "notes.read", "notes.list",
    } == there  # fmt: skip
    assert [name for name in there if name not in block] == []
