"""Models and the router of a project file, from its text to a decision."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.models import ModelRequest, Price
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from loom.testing import run

MINDS = """\
class Mind:
    tasks, streams = frozenset({"chat"}), frozenset({"chat"})
    location = "local"
    def __init__(self, name): self.name = name
    async def infer(self, request): raise RuntimeError
    async def close(self): pass
    def statistics(self): return {}
class Far(Mind):
    location = "cloud"
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(folder: Path, text: str) -> Path:
    sys.modules.pop("minds", None)
    (folder / "minds.py").write_text(MINDS)
    (folder / "loom.toml").write_text(text)
    return folder


def wrong(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as found:
        build(read_project(write(folder, text)))
    return str(found.value).removeprefix(str(folder) + "/")


def test_a_project_says_what_its_models_cost_and_may_see_and_who_is_asked(tmp_path: Path) -> None:
    text = (
        '[models.near]\nuse = "minds:Mind"\nquality = 0.2\n\n[models.far]\nuse = "minds:Far"\nclearance = "private"\n'
        'price = { in = 1.0, out = 2.0 }\nconcurrency = 3\n\n[router]\nprofile = "fast"\nmax_cost = 0.5\n'
        '[[router.rules]]\nname = "names"\nwhen = { keywords = ["anna"] }\nbackends = ["near"]\n'
    )
    loom = build(read_project(write(tmp_path, text)))
    facts = {each.name: each for each in loom.router.facts()}
    assert facts["near"].quality == 0.2
    assert facts["far"].price == Price(1, 2)
    assert (facts["far"].clearance, facts["far"].concurrency) == (Confidentiality.PRIVATE, 3)
    decision = run(loom.router.decide(ModelRequest("chat", "Hello")))
    assert (decision.order[0], decision.profile) == ("far", "fast")
    decision = run(loom.router.decide(ModelRequest("chat", "Hello Anna")))
    assert (decision.order, decision.rule) == (("near",), "rule:names")


def test_two_settings_of_one_model_that_cannot_both_hold_are_told_with_both_lines(tmp_path: Path) -> None:
    text = '[models.far]\nuse = "openai"\nclearance = "local-only"\nurl = "https://x.example/v1"\nlocation = "cloud"\n'
    told = wrong(tmp_path, text)
    assert told.startswith('loom.toml:3: clearance = "local-only" contradicts ')
    assert 'loom.toml:5: location = "cloud"' in told
    of_its_own = wrong(tmp_path, '[models.far]\nuse = "minds:Far"\nclearance = "local-only"\n')
    assert of_its_own.startswith("loom.toml:1: clearance")


def test_a_price_that_makes_no_sense_is_told_with_its_line(tmp_path: Path) -> None:
    assert wrong(tmp_path, '[models.a]\nuse = "minds:Mind"\nprice = { inn = 1 }\n').startswith(
        "loom.toml:3: price has no 'inn'; did you mean 'in'?"
    )


def test_a_rule_for_a_model_that_is_not_there_is_told_with_its_line(tmp_path: Path) -> None:
    text = '[models.near]\nuse = "minds:Mind"\n[[router.rules]]\nname = "r"\nbackends = ["naer"]\n'
    assert wrong(tmp_path, text) == "loom.toml:3: rule 'r': no backend 'naer'; did you mean 'near'?"


def test_a_missing_key_names_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    text = '[models.far]\nuse = "openai"\nurl = "https://x.example/v1"\nkey = "env:MY_KEY"\n'
    assert "MY_KEY" in wrong(tmp_path, text)


def test_budgets_and_learning_without_a_store_are_kept_in_a_file_of_the_project(tmp_path: Path) -> None:
    text = (
        '[models.near]\nuse = "minds:Mind"\n[router]\nlearned = true\nzone = "Europe/Berlin"\n'
        '[router.budgets.all]\ncalls = 5\nper = "day"\n[router.cache]\nttl = 60\nsemantic = true\n'
    )
    settings = build(read_project(write(tmp_path, text))).models.settings
    assert settings is not None
    assert settings.file == tmp_path / ".loom" / "router.json"
    assert settings.offset(0) == 3600
