"""Tools, schemas and the settings of an answer, through the real `openai` package."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.web.conftest import Capable, client_of
from tests.web.raw import HI as HTTP_HI
from tests.web.raw import Raw

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "light",
        "description": "Switch it",
        "parameters": {"type": "object", "properties": {}},
    },
}
CALLS = [{"id": "c1", "name": "light", "arguments": {"on": True}}]
HI: Any = [{"role": "user", "content": "Hi"}]


def wants_a_tool(request: Any) -> Any:
    found = {"text": "", "tokens_in": 5, "tokens_out": 3, "stopped": "tools", "tool_calls": CALLS}
    return [{**found, "done": True}] if request.stream else found


async def test_a_tool_is_called_and_its_result_goes_back(serve: Any) -> None:
    backend = Capable("chat", wants_a_tool)
    async with serve(backend) as gateway, client_of(gateway) as client:
        got = await client.chat.completions.create(
            model="auto", messages=HI, tools=[TOOL], tool_choice="required"
        )
        choice = got.choices[0]
        assert choice.message.tool_calls is not None
        call: Any = choice.message.tool_calls[0]
        assert (choice.finish_reason, call.id, call.function.name) == ("tool_calls", "c1", "light")
        assert json.loads(call.function.arguments) == {"on": True}
        result: Any = {"role": "tool", "tool_call_id": "c1", "content": "it is on"}
        await client.chat.completions.create(
            model="auto", messages=[*HI, choice.message.model_dump(), result], tools=[TOOL]
        )  # type: ignore[call-overload]
    asked, again = backend.requests
    assert asked.options["tools"] == [
        {"name": "light", "description": "Switch it", "parameters": {"type": "object", "properties": {}}}
    ]
    assert asked.options["tool_choice"] == "required"
    assert again.input[1:] == [  # type: ignore[index]
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "content": "it is on", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize("written", ["{not json", "[1]", "", '{"a": NaN}', "[" * 10_000])
async def test_a_call_with_arguments_that_are_none_goes_back_with_its_result(
    serve: Any, written: str
) -> None:
    backend = Capable("chat", ["ok", "ok"])
    call: Any = {"id": "c1", "type": "function", "function": {"name": "light", "arguments": written}}
    said: Any = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "no"},
    ]
    items: Any = [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "c1", "name": "light", "arguments": written},
        {"type": "function_call_output", "call_id": "c1", "output": "no"},
    ]
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.chat.completions.create(model="auto", messages=[*HI, *said])
        await client.responses.create(model="auto", input=items)
    for request in backend.requests:
        assert request.input[1]["tool_calls"] == [{"id": "c1", "name": "light", "arguments": {}}]  # type: ignore[index]


async def test_an_answer_that_was_a_refusal_goes_back(serve: Any) -> None:
    backend = Capable("chat", ["ok"])
    refused: Any = {"role": "assistant", "content": None, "refusal": "I will not"}
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.chat.completions.create(model="auto", messages=[*HI, refused, *HI])
    assert backend.requests[0].input[1] == {"role": "assistant", "content": "I will not"}  # type: ignore[index]


async def test_a_tool_is_called_in_a_stream(serve: Any) -> None:
    async with serve(Capable("chat", wants_a_tool)) as gateway, client_of(gateway) as client:
        async with client.chat.completions.stream(model="auto", messages=HI, tools=[TOOL]) as stream:
            async for _ in stream:
                pass
            got = await stream.get_final_completion()
    assert got.choices[0].finish_reason == "tool_calls"
    assert got.choices[0].message.tool_calls is not None
    assert json.loads(got.choices[0].message.tool_calls[0].function.arguments) == {"on": True}


async def test_settings_reach_the_model(serve: Any) -> None:
    backend = Capable("chat", ["ok", "ok"])
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.chat.completions.create(
            model="local",
            messages=[{"role": "developer", "content": "Be short."}, *HI],
            max_completion_tokens=9,
            temperature=0.5,
            seed=3,
            stop=["END"],
            response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
        )
        await client.chat.completions.create(
            model="local", messages=HI, response_format={"type": "json_object"}
        )
    first, second = backend.requests
    assert first.input == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    assert first.options == {
        "max_tokens": 9,
        "temperature": 0.5,
        "seed": 3,
        "stop": ["END"],
        "schema": schema,
    }
    assert (first.route, first.label.untrusted) == ("local", True)
    assert second.options == {"schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"n": 2}, "n is 1"),
        ({"logprobs": True}, "logprobs cannot be used here"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"tools": [TOOL, TOOL]}, "two tools of one name"),
        ({"extra_body": {"max_token": 3}}, "did you mean 'max_tokens'"),
        ({"temperature": 9}, "temperature is a number from 0 to 2"),
        ({"messages": []}, "messages is missing or empty"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "no pictures",
        ),
        ({"messages": [{"role": "king", "content": "Hi"}]}, r"messages\[0\].role is"),
        ({"stream_options": {"include_usage": True}}, "is for streams only"),
    ],
)
async def test_what_cannot_be_used_is_400_and_named(serve: Any, more: Any, said: str) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError, match=said) as caught:
            await client.chat.completions.create(**{"model": "auto", "messages": HI, **more})
    assert caught.value.param


async def test_an_error_of_the_backend_in_the_middle_of_a_stream_is_told(serve: Any) -> None:
    from loom.errors import BackendFailed

    backend = Capable("chat", lambda request: [{"text": "He"}, BackendFailed("it went away", status=500)])
    async with serve(backend) as gateway, client_of(gateway) as client:
        stream = await client.chat.completions.create(model="auto", messages=HI, stream=True)
        with pytest.raises(openai.APIError, match="it went away"):
            async for _ in stream:
                pass


async def test_an_answer_that_was_filtered_says_so(serve: Any) -> None:
    backend = Capable("chat", lambda request: {"text": "no", "stopped": "end", "filtered": True})
    async with serve(backend) as gateway, client_of(gateway) as client:
        got = await client.chat.completions.create(model="auto", messages=HI)
        again = await client.responses.create(model="auto", input="Hi")
    assert got.choices[0].finish_reason == "content_filter"
    assert again.incomplete_details is not None
    assert again.incomplete_details.reason == "content_filter"


async def test_arguments_that_are_no_object_are_passed_on_as_they_were_written(serve: Any) -> None:
    call = {
        "id": "c1",
        "name": "light",
        "arguments": {},
        "arguments_text": "{on",
        "arguments_error": "no JSON",
    }
    backend = Capable("chat", lambda request: {"text": "", "stopped": "tools", "tool_calls": [call]})
    async with serve(backend) as gateway, client_of(gateway) as client:
        got = await client.chat.completions.create(model="auto", messages=HI, tools=[TOOL])
    assert got.choices[0].message.tool_calls is not None
    assert got.choices[0].message.tool_calls[0].function.arguments == "{on"


async def test_a_number_that_is_none_does_not_reach_the_client(serve: Any) -> None:
    call = {"id": "c1", "name": "light", "arguments": {"x": float("nan")}}
    backend = Capable("chat", lambda request: {"text": "", "stopped": "tools", "tool_calls": [call]})
    async with serve(backend) as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post("/v1/messages", {**HTTP_HI, "max_tokens": 5})
    assert (status, answer["error"]["type"]) == (502, "api_error")
