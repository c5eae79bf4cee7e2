"""An imported policy as rules of the router: who is asked for each decision, and what of it cannot be."""

from pathlib import Path
from types import MappingProxyType

import pytest

from loom import Loom
from loom.errors import ConfigError
from loom.models import ModelRequest
from loom.router.profiles import choose
from loom.router.rules import Asked, first
from loom.router.size import size_of
from loom.router.vllm_import import Choice, Imported, read_policies
from loom.router.vllm_import.policy import ImportedSignals, load_policy, rules_of
from loom.router.vllm_import.tree import ALWAYS
from tests.router.backends import FakeModel

HELPDESK = Path(__file__).parent / "helpdesk.yaml"
WHO = {"hard": ["cloud"], "cross": ["refuse"], "rest": ["tiny", "small"]}


@pytest.fixture
def helpdesk() -> Imported:
    return load_policy(HELPDESK)


async def test_the_rule_of_the_decision_that_is_met_is_the_one_that_holds(helpdesk: Imported) -> None:
    imported = helpdesk
    rules, signals = rules_of(imported, WHO), ImportedSignals(imported)
    request = ModelRequest("chat", "I want a refund")
    found = first(rules, Asked(request, size_of(request), await signals(request)))
    assert found is not None
    assert (found.name, found.backends) == ("default.complaint", ("large",))


def test_who_is_asked_is_what_is_named_and_else_what_the_file_names() -> None:
    rules = {rule.name: rule for rule in rules_of(load_policy(HELPDESK), WHO)}
    assert rules["default.tools"].backends == ("large",)
    assert rules["default.hard"].route == "cloud"
    assert rules["default.cross"].refuse
    assert rules["default.rest"].backends == ("tiny", "small")


def test_what_the_file_answers_with_a_ready_text_is_refused() -> None:
    imported = Imported("p", (Choice("guard", 1.0, ALWAYS, refuses=True),), MappingProxyType({}))
    assert [rule.refuse for rule in rules_of(imported, {})] == [True]


def test_a_decision_that_leads_nowhere_or_is_none_is_an_error() -> None:
    imported = load_policy(HELPDESK)
    with pytest.raises(ConfigError, match=r"decision 'hard' .* names no model"):
        rules_of(imported, {})
    with pytest.raises(ConfigError, match="no decision 'complain'; did you mean 'complaint'"):
        rules_of(imported, {"complain": ["local"]})


def test_a_recipe_is_found_by_name_or_the_nearest_is_told(tmp_path: Path) -> None:
    decisions = "routing: {decisions: [{name: rest, modelRefs: [{model: m}]}]}"
    file = tmp_path / "two.yaml"
    file.write_text(f"recipes: [{{name: speed, {decisions}}}, {{name: cost, {decisions}}}]")
    assert load_policy(file, "cost").name == "cost"
    with pytest.raises(ConfigError, match="did you mean 'speed'"):
        load_policy(file, "sped")
    with pytest.raises(ConfigError, match="say which: it has speed, cost"):
        load_policy(file)


ONE = {
    "routing": {
        "signals": {"keywords": [{"name": "a", "keywords": ["x"]}]},
        "decisions": [
            {"name": "d", "rules": {"type": "keyword", "name": "a"}, "modelRefs": [{"model": "m"}]}
        ],
    }
}


async def test_a_request_that_meets_no_decision_has_no_signal() -> None:
    signals = ImportedSignals(read_policies(ONE)["default"])
    assert await signals(ModelRequest("chat", "nothing of that")) == {"decision_unknown": 0}
    assert (await signals(ModelRequest("chat", "x")))["decision"] == "d"


@pytest.mark.parametrize("elsewhere", ["cloud", "far"])
def test_decisions_that_send_elsewhere_are_no_reason_not_to_go_private(elsewhere: str) -> None:
    backends = {name: ["local"] for name in ("complaint", "cross", "rest")}
    backends |= {"tools": [elsewhere], "hard": [elsewhere]}
    taken = {"file": str(HELPDESK), "embed": False, "backends": backends}
    loom = Loom(router={"import": taken}).add_model(FakeModel("far", location="cloud"))
    for name in loom.router.profiles:
        assert choose(loom.router, name)
        names = {rule.name.partition(".")[2] for rule in loom.router.policy.rules}
        assert ("tools" in names, "rest" in names) == (name != "private", True)
