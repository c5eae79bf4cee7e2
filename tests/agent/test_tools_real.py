"""Real small models use tools, here and behind a server: not wise, but in the right form, and it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import pytest

import loom
from loom import Context, Event, Loom, on
from loom.errors import ToolLoop
from tests.agent.lights import House
from tests.cloud import running_cloud


@dataclasses.dataclass
class Wish:
    what: Literal["light", "music"]
    on: bool


@pytest.fixture(params=["llama", "openai"])
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The model of the package in a worker, by grammar; and behind llama.cpp's server, by its own tool calls."""
    if request.param == "llama":
        yield loom.local_model("llama", context=1024, threads=1)
        return
    from loom.adapters.openai import openai

    with running_cloud(tools=True, context=4096) as cloud:
        monkeypatch.setenv("TOOLS_KEY", cloud.key)
        yield openai("cloud", url=cloud.url, key="env:TOOLS_KEY", price=0.0)


async def test_a_real_model_chooses_among_what_is_offered_and_gives_an_answer_of_a_type(model: Any) -> None:
    house, got = House(), dict[str, Any]()

    @on("ask")
    async def butler(event: Event, ctx: Context) -> None:
        try:
            answer = await ctx.ask(event.payload, actions=["light.*"], max_steps=3, max_tokens=64)
            got["steps"], got["text"] = answer["steps"], answer["text"]
        except ToolLoop as stopped:
            got["steps"], got["text"] = list(stopped.done), stopped.reason
        got["wish"] = await ctx.ask(event.payload, schema=Wish, max_tokens=64)

    async with Loom().add_model(model) as runtime:
        runtime.add(*house.actions())
        runtime.add(butler, grants=["light.*"])
        await runtime.publish("ask", "Switch on the light in the kitchen, please.")
        await runtime.idle()
        assert [letter.error for letter in runtime.dead_letters] == []
    assert got["text"] is not None
    assert {each["tool"] for each in got["steps"]} <= {"light.set", "light.get"}
    assert all(each["outcome"] == "done" for each in got["steps"]), "a grammar makes no mistakes of form"
    assert "door" not in house.done
    assert isinstance(got["wish"], Wish)
