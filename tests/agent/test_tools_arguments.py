"""Arguments that a model gives to tools: what its annotations say is told to it, and held before anything is done."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import enum
from typing import Any, Literal, TypedDict

import pytest

from loom import Agent, Context, Event, Retry, action, on
from loom.models import ModelRequest
from loom.router.tools import plain
from loom.testing import new_loom, virtual_time
from tests.agent.lights import Script, butler, calls, says, use


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class Room:
    name: str


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


@virtual_time
async def test_calls_of_asks_that_overlap_keep_their_own_results_when_the_step_runs_again() -> None:
    """The one that was asked first hears last: when all is known, its call comes first."""
    done: list[Room] = []
    got: list[list[str]] = []

    @action("room.warm")
    async def warm(room: Room, colours: set[Colour]) -> str:
        done.append(room)
        return f"{room.name} is {' '.join(sorted(each.value for each in colours))}"

    class Clumsy(Agent, retry=Retry(attempts=3, base=0.01)):
        @on("ask")
        async def asked(self, event: Event, ctx: Context) -> None:
            rooms = (ctx.ask(f"warm the {room}", actions=["room.*"]) for room in ("hall", "attic"))
            got.append([each["text"] for each in await asyncio.gather(*rooms)])
            if ctx.attempt < 3:
                raise ValueError("clumsy")

    async def model(request: ModelRequest) -> Any:
        messages: Any = request.input
        room = messages[0]["content"].split()[-1]
        await asyncio.sleep(0.5 if room == "hall" else 0.3)
        if len(messages) > 1:
            return says(messages[-1]["content"])
        return calls(use("room.warm", room={"name": room}, colours=["red"] if room == "hall" else ["blue"]))

    async with new_loom(warm, Clumsy).add_model(Script(model)) as loom:
        await loom.publish("ask")
        await loom.idle()
    assert got == [["hall is red", "attic is blue"]] * 3
    assert done == [Room("attic"), Room("hall")]


def test_two_calls_are_told_apart_by_what_is_in_their_arguments() -> None:
    made = [{"room": Room(name), "on": {colour}, "at": [(colour, Room(name))]}
            for name in ("hall", "attic") for colour in Colour]  # fmt: skip
    assert plain(made[0]) == {"room": {"name": "hall"}, "on": ["RED"], "at": [["RED", {"name": "hall"}]]}
    assert len({repr(plain(each)) for each in made}) == 4


@virtual_time
async def test_names_and_choices_are_of_the_type_that_is_annotated() -> None:
    got: list[Any] = []

    @action("room.paint")
    async def paint(walls: dict[int, Colour], shades: dict[Colour, int], best: Literal[Colour.RED]) -> None:
        got.append((walls, shades, best))

    model = Script(calls(use("room.paint", walls={"1": "blue"}, shades={"red": 3}, best="red")), says("done"))
    async with new_loom(paint, butler(actions=["room.*"])).add_model(model) as loom:
        await loom.publish("ask")
        await loom.idle()
    assert got == [({1: Colour.BLUE}, {Colour.RED: 3}, Colour.RED)]


@virtual_time
async def test_dates_are_told_as_they_are_taken() -> None:
    @action("day.next")
    async def following(day: dt.date) -> dict[str, Any]:
        return {
            "day": day + dt.timedelta(1),
            "at": dt.time(9),
            "made": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)],
        }

    model = Script(calls(use("day.next", day="2026-11-23")), says("done"))
    async with new_loom(following, butler(actions=["day.*"])).add_model(model) as loom:
        await loom.publish("ask")
        await loom.idle()
    assert model.last() == '{"day": "2026-11-24", "at": "09:00:00", "made": ["2026-01-01T00:00:00+00:00"]}'
