"""Kept state and a class that has changed: what fits is read, what does not says what changed and how to go on."""

import copy
import enum
import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom import Agent
from loom.agent import spec_of
from loom.agent._migration import read_state
from loom.agent._state import copier_of
from loom.errors import ConfigError, StateError
from tests.agent.kept import ANNOTATIONS, codec_of


class Mood(enum.Enum):
    CALM = 1
    BUSY = 2


@dataclass
class Point:
    x: int = 0
    y: int = 0


def read(cls: type[Agent], kept: dict[str, Any], version: int = 1) -> dict[str, Any]:
    """The state by field, and a check that reading left *kept* alone and does the same twice."""
    spec, before = spec_of(cls), copy.deepcopy(kept)
    state = read_state(spec, kept, version)
    assert kept == before
    assert read_state(spec, kept, version) == state
    return dict(zip(spec.codec.names, state, strict=True))


def refusal(cls: type[Agent], kept: dict[str, Any], version: int = 1) -> str:
    with pytest.raises(StateError) as refused:
        read_state(spec_of(cls), kept, version)
    return str(refused.value)


class Tutor(Agent):
    lessons: int = 0
    mood: Mood = Mood.CALM
    points: list[Point] = []
    seen: set[str] = set()


KEPT = {"lessons": 3, "mood": {"$enum": "BUSY"}, "points": [{"x": 1, "y": 2}], "seen": {"$set": ["ann"]}}


def test_what_fits_is_read_and_a_new_field_begins_with_its_default() -> None:
    everything = {"lessons": 3, "mood": Mood.BUSY, "points": [Point(1, 2)], "seen": {"ann"}}
    assert read(Tutor, KEPT) == everything
    assert read(Tutor, {"lessons": 3}) == {"lessons": 3, "mood": Mood.CALM, "points": [], "seen": set()}
    assert read(Tutor, {"points": [{"x": 1}]})["points"] == [Point(1, 0)]


def test_the_message_says_what_changed_and_shows_a_migrate_for_it() -> None:
    kept = {**KEPT, "lessons": "three", "mood": {"$enum": "ANGRY"}, "room": [1, 2]}
    assert refusal(Tutor, kept) == textwrap.dedent("""\
        Tutor: the state kept by version 1 does not fit version 1 of Tutor:
          - lessons is annotated int, but kept is 'three' (str)
          - mood is annotated Mood, but kept is {'$enum': 'ANGRY'} ($enum): Mood has no member 'ANGRY'
          - room: the class has no such field any more, but kept is [1, 2] (list)
        Nothing was lost. Say what becomes of it, and start again:

        class Tutor(Agent, version=2):
            @classmethod
            def migrate(cls, state: dict, version: int) -> dict:
                if version < 2:
                    state['lessons'] = 0  # its default; kept is 'three' (str)
                    state['mood'] = {'$enum': 'CALM'}  # its default; kept is {'$enum': 'ANGRY'} ($enum)
                    state.pop('room', None)  # or give it to another field; kept is [1, 2] (list)
                return state""")


@pytest.mark.parametrize(
    ("name", "kept", "said"),
    [
        ("lessons", {"$set": [1]}, r"lessons is annotated int, but kept is \{'\$set': \[1\]\} \(\$set\)"),
        ("lessons", None, r"lessons is annotated int, but kept is None"),
        ("seen", ["ann"], r"seen is annotated set, but kept is \['ann'\] \(list\)"),
        ("seen", {"$set": [1]}, r"seen\[\.\.\.\] is annotated str, but kept is 1 \(int\)"),
        ("points", [{"x": "a"}], r"points: Point\.x is annotated int, but kept is 'a' \(str\)"),
        ("points", [{"z": 5}], r"points: Point has no field 'z' any more; kept is 5 \(int\)"),
        (
            "points",
            [{"$:Spot": {}}],
            r"points: .*no subclass 'Spot' of Point is loaded; import its module before",
        ),
        ("gone", 5, r"gone: the class has no such field any more, but kept is 5 \(int\)"),
    ],
)
def test_each_change_is_said_with_the_field_and_what_is_kept(name: str, kept: Any, said: str) -> None:
    with pytest.raises(StateError, match=said):
        read_state(spec_of(Tutor), {**KEPT, name: kept}, 1)


def test_the_migrate_that_is_shown_can_be_pasted() -> None:
    kept = {**KEPT, "lessons": "three", "points": 5, "seen": ["x"], "room": "a\nb # '"}
    shown = refusal(Tutor, kept).partition("start again:\n\n")[2]
    pasted = shown.replace("class Tutor(Agent, version=2)", "class Pasted(Tutor, version=2)")
    scope: dict[str, Any] = {"Tutor": Tutor}
    exec(pasted, scope)
    expected = {"lessons": 0, "mood": Mood.BUSY, "points": [], "seen": set()}
    assert read(scope["Pasted"], kept) == expected


def test_the_shown_migrate_leads_to_the_version_of_the_class() -> None:
    class Later(Tutor, version=4):
        pass

    assert "class Later(Tutor, version=4)" in refusal(Later, {"gone": 1}, 2)
    assert "if version < 4:" in refusal(Later, {"gone": 1}, 2)
    assert "class Later(Tutor, version=5)" in refusal(Later, {"gone": 1}, 4)


class Renamed(Tutor, version=3):
    room: str = ""

    @classmethod
    def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
        if version < 2:
            state["lessons"] = int(state.pop("count"))
        if version < 3:
            state["room"] = state.pop("place", "nowhere")
        return state


def test_migrate_is_called_with_the_kept_state_and_its_version() -> None:
    assert read(Renamed, {"count": "7"}, 1)["lessons"] == 7
    assert read(Renamed, {"lessons": 7, "place": "hall"}, 2)["room"] == "hall"
    assert read(Renamed, {"lessons": 7, "room": "x"}, 3)["room"] == "x"
    assert "has no such field" in refusal(Renamed, {"count": 7}, 3)


def test_a_bump_without_migrate_reads_what_fits_and_drops_nothing() -> None:
    class Bumped(Tutor, version=2):
        pass

    assert read(Bumped, KEPT, 1)["lessons"] == 3
    assert "the class has no such field any more" in refusal(Bumped, {"gone": 1}, 1)


def test_what_a_newer_class_kept_is_refused_unless_migrate_leads_back() -> None:
    assert refusal(Tutor, KEPT, 2) == (
        "Tutor: its state was kept by version 2 of Tutor, this is version 1; run the newer code, or write a migrate "
        "that accepts version 2"
    )
    assert "and migrate returned it as it was" in refusal(Renamed, {"lessons": 1}, 4)

    class Back(Tutor, version=2):
        @classmethod
        def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
            if version > 2:
                del state["added_by_3"]
            return state

    assert read(Back, {"lessons": 1, "added_by_3": 5}, 3)["lessons"] == 1
    assert "if version > 2:" in refusal(Back, {"lessons": 1, "added_by_3": 5, "by_4": 1}, 4)


def test_what_migrate_returns_must_fit_too() -> None:
    class Careless(Tutor, version=2):
        @classmethod
        def migrate(cls, state: dict[str, Any], version: int) -> dict[str, Any]:
            return {"lessons": "many", "old": 1}

    said = refusal(Careless, KEPT)
    assert "what Careless.migrate made of the state of version 1 does not fit version 2 of Careless:" in said
    assert "lessons is annotated int, but kept is 'many' (str)" in said
    assert "old: the class has no such field any more" in said


def migrating(migrate: Any) -> type[Agent]:
    """A class of version 2 with this as its migrate."""
    return type("Odd", (Tutor,), {"migrate": migrate, "__module__": __name__}, version=2)


async def _async(cls: Any, state: Any, version: int) -> Any:
    return state


@pytest.mark.parametrize(
    ("migrate", "said"),
    [
        (
            classmethod(lambda cls, state, version: state["no"]),
            r"Odd\.migrate\(state, 1\) raised KeyError: 'no'",
        ),
        (classmethod(lambda cls, state: state), "raised TypeError.*as a classmethod"),
        (lambda self, state, version: state, "raised TypeError.*as a classmethod"),
        (classmethod(lambda cls, state, version: None), r"returned None; return the state, a dict"),
        (classmethod(lambda cls, state, version: {1: 2}), r"returned \{1: 2\}; return the state, a dict"),
        (classmethod(lambda cls, state, version: {"seen": {1}}), r"no JSON.*\"\$set\": \[1, 2\]"),
        (classmethod(lambda cls, state, version: {"lessons": float("nan")}), r"no JSON"),
        (classmethod(_async), "is a coroutine; write it without async"),
    ],
)
def test_a_migrate_that_raises_or_returns_rubbish_is_a_state_error(migrate: Any, said: str) -> None:
    with pytest.raises(StateError, match=said):
        read_state(spec_of(migrating(migrate)), KEPT, 1)


def test_migrate_gets_a_copy() -> None:
    kept = copy.deepcopy(KEPT)

    def spoil(cls: Any, state: dict[str, Any], version: int) -> Any:
        state["points"].clear()
        raise ValueError("half way")

    assert "half way" in refusal(migrating(classmethod(spoil)), kept)
    assert kept == KEPT


def leaves(kept: Any) -> Counter[str]:
    """The single values of what is kept."""
    inner = kept.values() if isinstance(kept, dict) else kept if isinstance(kept, list) else None
    return Counter([repr(kept)]) if inner is None else sum(map(leaves, inner), Counter())


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_under_another_annotation_a_value_is_refused_or_nothing_of_it_is_lost(data: st.DataObject) -> None:
    (annotation, values), (other, _) = data.draw(ANNOTATIONS), data.draw(ANNOTATIONS)
    kept = codec_of(annotation).encode((copier_of(annotation, "f0")(data.draw(values)),))
    try:
        again = codec_of(other).encode(codec_of(other).decode(kept))
    except StateError:
        return
    assert leaves(kept) <= leaves(again)


@pytest.mark.parametrize("version", [0, -1, True, "2", 1.0])
def test_a_version_is_a_whole_number_from_1_on(version: Any) -> None:
    with pytest.raises(ConfigError, match="use a whole number from 1 on"):
        spec_of(type("Odd", (Agent,), {}, version=version))


def test_the_version_is_1_and_subclasses_inherit_it() -> None:
    assert spec_of(Tutor).version == 1
    assert spec_of(type("Child", (Renamed,), {})).version == 3


def test_the_how_to_page_is_code_that_runs() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "how-to" / "migrate-state.md"
    scope: dict[str, Any] = {"__name__": "page"}
    exec("\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)), scope)
    scope["test_what_version_1_kept_is_understood"]()
    kept = {"count": 7, "name": "Ada Lovelace", "seen": {"$set": ["algebra"]}}
    assert read(scope["Tutor"], kept, 1) == {
        "lessons": 7,
        "first": "Ada",
        "last": "Lovelace",
        "seen": {"algebra"},
    }
    assert "run the newer code" in refusal(scope["Tutor"], {"lessons": 7, "room": ""}, 4)
