"""Capabilities by name, version and grant."""

import pytest

from loom.actions import Action, Registry, action
from loom.actions.registry import granted
from loom.errors import ConfigError, UnknownAction


def made(name: str, version: str = "1") -> Action:
    return Action(name, lambda: None, version)


def test_a_plain_name_is_the_newest_version_and_an_exact_one_is_kept() -> None:
    registry = Registry()
    one, two = made("tts.speak"), made("tts.speak", "2")
    registry.add(one)
    registry.add(two)
    assert registry.find("tts.speak") is two
    assert registry.find("tts.speak@1") is one
    assert sorted(a.version for a in registry) == ["1", "2"]


def test_two_functions_under_one_name_and_version_are_refused() -> None:
    registry = Registry()
    registry.add(made("a"))
    with pytest.raises(ConfigError, match="registered twice"):
        registry.add(made("a"))


def test_an_unknown_name_offers_the_nearest() -> None:
    registry = Registry()
    registry.add(made("tts.speak"))
    with pytest.raises(UnknownAction, match=r"'tts.speek'; did you mean 'tts.speak'\?"):
        registry.find("tts.speek")
    with pytest.raises(UnknownAction, match=r"add\(\.\.\.\) the function"):
        registry.find("zzz")


@pytest.mark.parametrize(
    ("name", "grants", "allowed"),
    [
        ("tts.speak", None, True),
        ("tts.speak", [], False),
        ("tts.speak", ["tts.*"], True),
        ("tts.speak", ["tts.speak"], True),
        ("tts.speak", ["tt.*", "lamp.*"], False),
        ("TTS.speak", ["tts.*"], False),
    ],
)
def test_grants(name: str, grants: list[str] | None, allowed: bool) -> None:
    assert granted(name, grants) is allowed


@pytest.mark.parametrize("name", ["", "a b", ".a", "a..b", "a\n", None])
def test_names_are_dotted_words(name: str) -> None:
    with pytest.raises(ConfigError, match="action name"):
        action(name)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": float("nan")}, {"attempts": 0}])
def test_limits_must_make_sense(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        action("a", **options)  # type: ignore[arg-type]


def test_an_unknown_approval_is_refused() -> None:
    with pytest.raises(ValueError, match="maybe"):
        action("a", approval="maybe")(lambda: None)
