"""The how-to pages of network adapters: every block of a project file builds, and every program compiles and runs."""

import re
from pathlib import Path

import pytest

from loom.adapters import mqtt
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from tests.test_readme import BLOCK

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "docs" / "how-to" / f"{name}.md" for name in ("network-adapters", "home-assistant-satellites")
]
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
BLOCKS = [
    pytest.param(text, id=f"{page.stem}-{n}")
    for page in PAGES
    for n, text in enumerate(TOML.findall(page.read_text()))
]
PETS = '{"openapi": "3.0.0", "paths": {"/x": {"get": {"operationId": "getPet"}}}}'


@pytest.mark.parametrize("text", BLOCKS)
def test_each_block_builds(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"env:(\w+)", text):
        monkeypatch.setenv(name, "secret")
    (tmp_path / "pets.json").write_text(PETS)
    (tmp_path / "loom.toml").write_text(text)
    assert build(read_project(tmp_path / "loom.toml"))


def test_programs_run() -> None:
    found = [match[1] for page in PAGES for match in BLOCK.finditer(page.read_text())]
    assert found
    for code in found:
        exec(compile(code, "page", "exec"), {"__name__": "page"})


def test_the_rule_for_topics_is_that_of_the_page() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `(house\.[^`]+)` \|", PAGES[0].read_text(), re.MULTILINE)
    assert len(rows) == 4
    for name, topic in rows:
        assert mqtt.to_loom(name, "house") == topic
        assert mqtt.to_mqtt(topic, "house") == name
