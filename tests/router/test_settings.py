"""The [router] table: what it comes to, and what is wrong with it, with the line."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from typing import Any

import pytest

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.router import Router
from loom.router.profiles import PROFILES, choose, profile_of
from loom.router.settings import Settings, read_settings
from loom.runtime._config_places import line_of, places

MODELS = {"small": {"use": "llama"}, "gpt": {"use": "openai"}, "near": {"use": "vllm", "location": "local"}}


def read(text: str, backends: Collection[str] | None = MODELS) -> Settings:
    lines = places(text)
    return read_settings(
        tomllib.loads(text)["router"], lambda path: f"loom.toml:{line_of(lines, path)}", backends
    )


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as found:
        read(text)
    return str(found.value)


def test_an_empty_table_is_the_usual_router() -> None:
    found = read("[router]\n")
    assert found.policy == PROFILES["balanced"]
    assert found.limits == ()
    assert found.cache is None
    assert not found.learned


def test_a_profile_is_where_it_begins_and_what_is_said_beside_it_wins() -> None:
    found = read('[router]\nprofile = "cheap"\nthreshold = 0.6\nmax_latency = 2\nmax_cost = 0.01\n')
    assert found.policy.prefer == "cost"
    assert (found.policy.threshold, found.policy.max_latency_ms, found.policy.max_cost) == (0.6, 2000, 0.01)
    assert found.profiles["cheap"] == found.policy
    assert found.profiles["best"].threshold == PROFILES["best"].threshold


def test_a_detector_that_there_is_not_is_named_with_its_line() -> None:
    said = wrong('[router]\ndetectors = ["core", "mial"]\n')
    assert said == "loom.toml:2: there is no detector 'mial'; did you mean 'mail'?"


def test_what_is_called_private_lets_nothing_leave() -> None:
    said = wrong('[router]\nprofile = "private"\nremote = true\n')
    assert said.startswith("loom.toml:3: remote = true contradicts loom.toml:2: profile 'private'")


def test_what_a_profile_brings_is_not_told_as_if_the_line_said_it() -> None:
    said = wrong('[router]\nprofile = "private"\nwithout_cloud = "defer"\n')
    assert said.startswith(
        "loom.toml:2: remote = false (of its profile) contradicts loom.toml:3: without_cloud = 'defer'"
    )


def test_a_project_may_have_profiles_of_its_own() -> None:
    found = read('[router]\nprofile = "night"\n[router.profiles.night]\nprofile = "cheap"\nmax_cost = 0.0\n')
    assert found.policy.name == "night"
    assert found.policy.max_cost == 0.0
    assert found.policy.prefer == "cost"


def test_budgets_cache_and_learning() -> None:
    found = read(
        '[router]\nlearned = true\ncache = { ttl = 60, entries = 10 }\ndetectors = ["mail"]\n'
        '[router.budgets.day]\nper = ["agent", "day"]\nmoney = 1.5\ncalls = 100\n'
    )
    assert found.learned
    assert found.cache == {"ttl": 60, "entries": 10}
    assert found.detectors == ("mail",)
    assert [(each.name, each.per, each.money, each.calls) for each in found.limits] == [
        ("day", ("agent", "day"), 1.5, 100)
    ]


def test_rules_keep_their_order_and_know_their_lines() -> None:
    found = read(
        '[router]\n[[router.rules]]\nname = "medicine"\nwhen = { keywords = ["doctor"], label = "sensitive" }\n'
        'route = "local"\n\n[[router.rules]]\nname = "long"\nbackends = ["gpt"]\n'
        "[router.rules.when]\nmin_tokens = 1000\n"
    )
    medicine, long = found.policy.rules
    assert (medicine.when.keywords, medicine.when.label, medicine.route) == (
        ("doctor",), Confidentiality.SENSITIVE, "local",
    )  # fmt: skip
    assert medicine.line == "loom.toml:2"
    assert long.line == "loom.toml:7"
    assert (long.backends, long.when.min_tokens) == (("gpt",), 1000)


CASES: dict[str, tuple[str, str]] = {
    "an unknown key": (
        "[router]\nthresold = 0.7\n",
        "loom.toml:2: no key 'thresold' in [router]; did you mean 'threshold'?",
    ),
    "a word that is none": (
        '[router]\nhybrid = "cascad"\n',
        "loom.toml:2: router.hybrid is 'cascad'; did you mean 'cascade'?",
    ),
    "a number that is none": (
        '[router]\nthreshold = "0.7"\n',
        "loom.toml:2: router.threshold must be a number, not '0.7'",
    ),
    "a truth value": (
        "[router]\nthreshold = true\n",
        "loom.toml:2: router.threshold must be a number, not true",
    ),
    "out of range": (
        "[router]\nthreshold = 1.7\n",
        "loom.toml:2: threshold = 1.7: it must be a number from 0 to 1",
    ),
    "not a number": (
        "[router]\nmax_cost = nan\n",
        "loom.toml:2: max_cost = nan: it must be a number, 0 or more",
    ),
    "no profile": ('[router]\nprofile = "cheep"\n', "loom.toml:2: no profile 'cheep'; did you mean 'cheap'?"),
    "a backend": (
        '[router]\n[[router.rules]]\nname = "r"\nbackends = ["gtp"]\n',
        "loom.toml:2: rule 'r': no backend 'gtp'; did you mean 'gpt'?",
    ),
    "a budget": (
        '[router]\n[router.budgets.day]\nper = "day"\nmony = 1\n',
        "loom.toml:4: no key 'mony' in router.budgets.day; did you mean 'money'?",
    ),
    "a cache": (
        "[router]\n[router.cache]\nttl = 0\n",
        "loom.toml:3: router.cache.ttl must be more than 0, not 0",
    ),
    "no table": ('[router]\nbudgets = "1 EUR"\n', "loom.toml:2: router.budgets must be a table, not '1 EUR'"),
    "a label": (
        '[router]\n[[router.rules]]\nroute = "local"\n[router.rules.when]\nlabel = "secret"\n',
        "loom.toml:5: no label 'secret'",
    ),
    "a rule that does nothing": (
        '[router]\n[[router.rules]]\nname = "r"\n',
        "loom.toml:2: rule 'r' does nothing",
    ),
    "a key of a rule": (
        '[router]\n[[router.rules]]\nroute = "local"\nbackend = "x"\n',
        "loom.toml:4: no key 'backend' in a rule; did you mean 'backends'?",
    ),
}
BOTH: dict[str, tuple[str, str, str]] = {
    "nothing leaves and what is deferred": (
        '[router]\nremote = false\nwithout_cloud = "defer"\n', "loom.toml:2: remote = false",
        "loom.toml:3: without_cloud = 'defer'",
    ),
    "a profile and a setting": (
        '[router]\nthreshold = 0.4\nprofile = "private"\nwithout_cloud = "defer"\n', "loom.toml:3: remote = false",
        "loom.toml:4: without_cloud = 'defer'",
    ),
    "no hybrid and its bound": (
        '[router]\nescalate = 0.5\nhybrid = "off"\n', "loom.toml:3: hybrid = 'off'", "loom.toml:2: escalate = 0.5",
    ),
    "a band without a hybrid": (
        '[router]\nband = 0.1\nhybrid = "off"\n', "loom.toml:3: hybrid = 'off'", "loom.toml:2: band = 0.1",
    ),
    "a rule to the cloud and nothing leaves": (
        '[router]\nremote = false\n[[router.rules]]\nname = "up"\nroute = "cloud"\n', "loom.toml:3: rule 'up'",
        "loom.toml:2: remote = false",
    ),
    "a rule behind one that always holds": (
        '[router]\n[[router.rules]]\nname = "a"\nroute = "local"\n[[router.rules]]\nname = "b"\nroute = "cloud"\n',
        "loom.toml:5: rule 'b' is never reached", "loom.toml:2: rule 'a'",
    ),
    "two rules of one name": (
        '[router]\nrules = [{ name = "a", refuse = true, when = { tasks = ["x"] } }, { name = "a", refuse = true }]\n',
        "loom.toml:2: rule 'a'", "and loom.toml:2: rule 'a'",
    ),
    "a rule to who is elsewhere and nothing leaves": (
        '[router]\nprofile = "private"\n[[router.rules]]\nname = "up"\nbackends = ["gpt"]\n',
        "loom.toml:3: rule 'up' asks gpt, which is not on this device", "loom.toml:2: remote = false",
    ),
    "bounds that cross": (
        '[router]\n[[router.rules]]\nroute = "local"\n[router.rules.when]\nmin_tokens = 9\nmax_tokens = 5\n',
        "loom.toml:5: min_tokens = 9", "loom.toml:6: max_tokens = 5",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_told_with_its_line_and_the_nearest(case: str) -> None:
    text, message = CASES[case]
    assert wrong(text).startswith(message)


@pytest.mark.parametrize("case", BOTH)
def test_two_that_contradict_each_other_are_told_with_both_lines(case: str) -> None:
    text, one, other = BOTH[case]
    message = wrong(text)
    assert one in message
    assert other in message


def test_what_is_local_only_is_not_sent_to_those_elsewhere_by_a_rule() -> None:
    when = "when = { label = 'local-only' }"
    said = wrong(f"[router]\n[[router.rules]]\nname = 'x'\nbackends = ['gpt']\n{when}\n")
    assert said.startswith("loom.toml:2: rule 'x' asks gpt, which is not on this device, for local-only data")
    for fine in ("['small', 'gpt']", "['near']"):
        assert read(f"[router]\n[[router.rules]]\nname = 'x'\nbackends = {fine}\n{when}\n").policy.rules
    assert read(
        "[router]\n[[router.rules]]\nbackends = ['gpt']\n", ("gpt",)
    ).policy.rules  # who knows where that is


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[router.cache]\nthreshold = 5", "loom.toml:2: router.cache.threshold must be at most 1, not 5"),
        ("[router.cache]\nttl = inf", "loom.toml:2: router.cache.ttl must be at most"),
        ("[router]\nmax_latency = -2", "loom.toml:2: max_latency = -2.0: it must be a number, 0 or more"),
    ],
)
def test_a_bound_is_told_as_it_is_written(text: str, message: str) -> None:
    assert wrong(text).startswith(message)


def test_a_profile_is_found_by_its_name_alone() -> None:
    assert profile_of("fast") is PROFILES["fast"]
    for name in ("", "Fast", None, ["fast"]):
        with pytest.raises(ConfigError, match="no profile"):
            profile_of(name)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_followed(name: str) -> None:
    assert PROFILES[name].check().name == name


def test_conditions_are_not_nested_without_end() -> None:
    when: dict[str, Any] = {"keywords": ["x"]}
    for _ in range(5000):
        when = {"every": [when]}
    with pytest.raises(ConfigError, match="deeper than"):
        read_settings({"rules": [{"route": "local", "when": when}]}, lambda path: "loom.toml:1")


def test_what_the_table_bounds_is_bound_in_every_profile() -> None:
    found = read(
        "[router]\nremote = false\nmax_cost = 0.01\nmax_latency = 3\nredact = 'always'\n[router.profiles.night]\n"
        "max_cost = 5.0\n"
        "[router.profiles.free]\nmax_cost = 0.0\n"
        "[[router.rules]]\nname = 'never'\nwhen = { keywords = ['bomb'] }\nrefuse = true\n"
    )
    for name, profile in found.profiles.items():
        assert not profile.remote, name
        assert profile.max_cost == (0.0 if name == "free" else 0.01)
        assert (profile.max_latency_ms, profile.redact) == (3000, "always"), name
        assert [rule.name for rule in profile.rules] == ["never"], name
        profile.check()


@pytest.mark.parametrize("asks", ["route = 'cloud'", "backends = ['gpt']"])
def test_a_rule_that_sends_elsewhere_is_no_reason_not_to_go_private(asks: str) -> None:
    rules = f"[[router.rules]]\nname = 'up'\nwhen = {{ keywords = ['poem'] }}\n{asks}\n"
    stays = "[[router.rules]]\nname = 'never'\nwhen = { keywords = ['bomb'] }\nrefuse = true\n"
    found = read(f"[router]\n{rules}{stays}")
    router = Router()
    router.profiles |= found.profiles
    for name in found.profiles:
        assert choose(router, name)
        assert [rule.name for rule in router.policy.rules] == (["up"] if name != "private" else []) + [
            "never"
        ]


def test_two_rules_that_a_profile_brings_together_are_told_when_the_file_is_read() -> None:
    rule = "[[{0}.rules]]\nname = 'a'\nroute = 'local'\nwhen = {{ keywords = ['{1}'] }}\n"
    said = wrong("[router]\n" + rule.format("router", "x") + rule.format("router.profiles.night", "y"))
    assert said == ("loom.toml:6: rule 'a' and loom.toml:2: rule 'a' have one name; give one of them another")


def test_the_profile_that_it_begins_with_binds_no_other() -> None:
    found = read('[router]\nprofile = "private"\n')
    assert not found.policy.remote
    assert found.profiles["best"].remote
