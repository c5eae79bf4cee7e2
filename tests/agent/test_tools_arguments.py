"""Arguments that a model gives to tools: what its annotations say is told to it, and held before anything is done."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, TypedDict

import pytest

from loom import action
from loom.testing import new_loom, virtual_time
from tests.agent.lights import Script, butler, calls, says, use


class Guest(TypedDict):
    name: str


@dataclasses.dataclass
class Visit:
    at: dt.datetime
    guests: list[Guest]


GOOD = {"at": "2026-11-23T10:00:00Z", "guests": [{"name": "Ada"}]}


def planner(got: list[Any]) -> Any:
    @action("visit.plan")
    async def plan(visit: Visit, day: dt.date | None = None) -> None:
        """Plan a visit."""
        got.append((visit, day))

    return plan


@pytest.mark.parametrize(
    ("visit", "day", "told"),
    [
        ({**GOOD, "at": 5}, None, "arguments.visit.at must be text, not 5"),
        ({**GOOD, "guests": ["Ada"]}, None, "arguments.visit.guests[0] must be an object"),
        ({**GOOD, "guests": [{"name": 7}]}, None, "arguments.visit.guests[0].name must be text, not 7"),
        ({"at": "2026-11-23"}, None, "arguments.visit.guests is missing"),
        ({**GOOD, "where": "here"}, None, "is not known; it takes at, guests"),
        (GOOD, ["monday"], "arguments.day must be text"),
        (GOOD, "monday", "arguments.day must be a date"),
    ],
)
@virtual_time
async def test_what_does_not_follow_an_annotation_is_told_and_nothing_is_done(
    visit: Any, day: Any, told: str
) -> None:
    got: list[Any] = []
    wrong, right = use("visit.plan", visit=visit, day=day), use("visit.plan", visit=GOOD, day="2026-11-24")
    model = Script(calls(wrong), calls(right), says("planned"))
    async with new_loom(planner(got), butler(actions=["visit.*"])).add_model(model) as loom:
        await loom.publish("ask")
        await loom.idle()
        made: Any = loom.agent("Butler").instance
        assert made._errors == []
    assert told in model.last(1).replace('\\"', '"')
    assert got == [
        (Visit(dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC), [{"name": "Ada"}]), dt.date(2026, 11, 24))
    ]


@virtual_time
async def test_a_model_is_told_the_form_of_dates_and_records() -> None:
    model = Script(says("no"))
    async with new_loom(planner([]), butler(actions=["visit.*"])).add_model(model) as loom:
        await loom.publish("ask")
        await loom.idle()
    tools: Any = model.asked[0].options["tools"]
    properties = tools[0]["parameters"]["properties"]
    assert properties["visit"]["required"] == ["at", "guests"]
    assert properties["visit"]["properties"]["at"] == {"type": "string", "format": "date-time"}
    assert properties["day"] == {
        "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}],
        "default": None,
    }
    assert tools[0]["parameters"]["required"] == ["visit"]
