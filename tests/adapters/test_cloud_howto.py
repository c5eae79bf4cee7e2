"""The how-to page of remote models: every block builds, every program runs, and what it promises of them is so."""

import re
from pathlib import Path

import pytest

from loom.adapters._openai_dialects import DIALECTS
from loom.event import Confidentiality
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from tests.test_readme import BLOCK

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "cloud-models.md"
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("text", TOML.findall(PAGE.read_text()))
def test_each_block_builds(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, "secret-of-the-page")
    (tmp_path / "loom.toml").write_text(text)
    models = {model.name: model for model in build(read_project(tmp_path / "loom.toml")).models}
    assert {name: model.location for name, model in models.items()} == {
        "cloud": "cloud", "claude": "cloud", "house": "edge", "ears": "cloud",
    }  # fmt: skip
    assert models["house"].clearance is Confidentiality.PRIVATE
    assert models["ears"].tasks == {"transcribe"}


def test_programs_run() -> None:
    found = [match[1] for match in BLOCK.finditer(PAGE.read_text())]
    assert found
    for code in found:
        exec(compile(code, "page", "exec"), {"__name__": "page"})


def test_every_dialect_has_a_row() -> None:
    page = PAGE.read_text().lower()
    assert all(f"\n| {name}" in page for name in DIALECTS)
