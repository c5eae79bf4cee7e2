"""Answers of a type through an agent's step: asked for, validated, put right once, or refused."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest

from loom.errors import ConfigError, SchemaMismatch
from loom.testing import new_loom, virtual_time
from tests.agent.lights import House, Script, ask, butler, calls, says, use


@dataclasses.dataclass
class Weather:
    city: str
    degrees: float


@dataclasses.dataclass
class Strict:
    city: str

    def __post_init__(self) -> None:
        raise ValueError(f"{self.city} is no city" + "!" * 10_000)


GOOD = '{"city": "Ulm", "degrees": 7}'


@virtual_time
async def test_an_answer_is_an_object_of_the_type_that_was_asked_for() -> None:
    model = Script(says(GOOD))
    async with new_loom(butler(schema=Weather)).add_model(model) as loom:
        assert await ask(loom, "How warm is it in Ulm?") == Weather("Ulm", 7.0)
    schema: Any = model.asked[0].options["schema"]
    assert (schema["required"], list(schema["properties"])) == (["city", "degrees"], ["city", "degrees"])
    assert model.asked[0].schema == schema


@virtual_time
async def test_what_does_not_fit_is_told_once_and_put_right() -> None:
    model = Script(says('{"city": "Ulm", "degrees": "mild"}'), says(f"Sorry: {GOOD}"))
    async with new_loom(butler(schema=Weather)).add_model(model) as loom:
        assert await ask(loom) == Weather("Ulm", 7.0)
    assert 'answer.degrees must be a number, not "mild"' in model.last()
    assert model.asked[1].input[1] == {"role": "assistant", "content": '{"city": "Ulm", "degrees": "mild"}'}  # type: ignore[index]


@virtual_time
async def test_what_was_cut_off_is_told_to_be_shorter() -> None:
    model = Script(says('{"city": "U', stopped="length") | {"stopped": "length"}, says(GOOD))
    async with new_loom(butler(schema=Weather)).add_model(model) as loom:
        await ask(loom)
    assert "cut off at max_tokens: be shorter" in model.last()


@virtual_time
async def test_what_does_not_fit_twice_is_an_error_with_its_place_and_its_beginning() -> None:
    model = Script(says("x" * 10_000), says('{"city": 7, "degrees": 1}'))
    async with new_loom(butler(schema=Weather)).add_model(model) as loom:
        with pytest.raises(SchemaMismatch, match=r"asked for twice: answer\.city must be text;") as mismatch:
            await ask(loom)
    assert mismatch.value.problem == "answer.city must be text, not 7"
    assert mismatch.value.head == '{"city": 7, "degrees": 1}'
    assert len(model.asked) == 2


@virtual_time
@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (Weather, '{"city": "Bonn", "degrees": "Zaphod42"}'),
        (Weather, '{"city": 4} Zaphod42'),
        (Weather, "Zaphod42"),
        (Weather, '{"city": "Bonn", "degrees": 1, "Zaphod42": 1}'),
        (Strict, '{"city": "Zaphod42"}'),
        (dict[str, int], '{"Zaphod42": "1"}'),
        (dict[str, dict[str, int]], '{"a": {"the \\"Zaphod42\\"]": {"Zaphod42": "1"}}}'),
        (dict[str, datetime.date], '{"Zaphod42": "soon"}'),
    ],
)
async def test_an_error_is_told_everywhere_and_what_was_answered_is_not(
    schema: Any, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with new_loom(butler(schema=schema)).add_model(Script(says(answer))) as loom:
        with pytest.raises(SchemaMismatch) as mismatch:
            await ask(loom)
    assert "Zaphod42" not in f"{mismatch.value} {caplog.text}"
    assert "Zaphod42" in mismatch.value.head


@virtual_time
async def test_what_a_class_says_of_an_answer_is_told_in_bounded_words() -> None:
    model = Script(says('{"city": "Ulm"}'))
    async with new_loom(butler(schema=Strict)).add_model(model) as loom:
        with pytest.raises(SchemaMismatch) as mismatch:
            await ask(loom)
    assert "answer is refused by Strict: Ulm is no city!!!" in model.last()
    assert max(map(len, (model.last(), mismatch.value.problem))) < 500


@virtual_time
async def test_with_tools_the_last_answer_has_the_type() -> None:
    house = House()
    model = Script(calls(use("light.get", room="hall")), says("no"), says('{"value": ["hall"]}'))
    loom = new_loom(*house.actions(), butler(actions=["light.*"], schema=list[str])).add_model(model)
    async with loom:
        assert await ask(loom, "which lights are off?") == ["hall"]
    assert "tools" in model.asked[1].options
    assert "tool_choice" not in model.asked[1].options
    assert model.asked[2].options["tools"] == model.asked[1].options["tools"]
    assert model.asked[2].options["tool_choice"] == "none", "it is the answer that is to be put right"


@virtual_time
async def test_a_json_schema_gives_plain_values_from_a_named_chat_too() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model = Script(says('{"n": 4}'))
    from loom import Context, Event, on

    got: list[Any] = []

    @on("count")
    async def count(event: Event, ctx: Context) -> None:
        got.append(await ctx.ask("chat", "how many?", schema=schema))
        got.append(await ctx.ask("count", schema=int))

    model._answers.append(says('{"value": 5}'))
    async with new_loom(count).add_model(model) as loom:
        await loom.publish("count")
        await loom.idle()
    assert got == [{"n": 4}, 5]


@virtual_time
async def test_a_type_for_the_answer_of_another_task_is_refused_and_a_json_schema_goes_along() -> None:
    from loom import Context, Event, on

    got: list[Any] = []

    @on("count")
    async def count(event: Event, ctx: Context) -> None:
        with pytest.raises(ConfigError, match="answers of a type"):
            await ctx.ask("How warm is it?", "in Ulm", schema=Weather)
        got.append(await ctx.ask("guess", "in Ulm", schema={"type": "integer"}))

    model = Script(says("7"))
    model.tasks = frozenset(["chat", "guess"])
    async with new_loom(count).add_model(model) as loom:
        await loom.publish("count")
        await loom.idle()
    assert [each["text"] for each in got] == ["7"]
    assert [each.task for each in model.asked] == ["guess"]
