"""Responses through the real `openai` package."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from loom.testing import FakeBackend
from tests.web.conftest import Capable, client_of
from tests.web.test_openai_tools import CALLS, wants_a_tool

TOOL: Any = {
    "type": "function",
    "name": "light",
    "description": "d",
    "parameters": {"type": "object"},
    "strict": None,
}


async def test_a_response(serve: Any) -> None:
    backend = FakeBackend(
        "chat", lambda request: {"text": "Hello", "tokens_in": 4, "tokens_out": 1, "stopped": "length"}
    )
    async with serve(backend) as gateway, client_of(gateway) as client:
        got = await client.responses.create(
            model="auto", input="Hi", instructions="Be short.", max_output_tokens=5
        )
    assert got.output_text == "Hello"
    assert got.status == "incomplete"
    assert got.incomplete_details is not None
    assert got.incomplete_details.reason == "max_output_tokens"
    assert got.usage is not None
    assert got.usage.total_tokens == 5
    assert backend.requests[0].input == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi"},
    ]
    assert backend.requests[0].options == {"max_tokens": 5}


async def test_a_response_in_pieces(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        async with client.responses.stream(model="auto", input="Hi") as stream:
            kinds = [event.type async for event in stream]
            got = await stream.get_final_response()
    assert got.output_text == "Hello you"
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_of_a_response(serve: Any, stream: bool) -> None:
    async with serve(Capable("chat", wants_a_tool)) as gateway, client_of(gateway) as client:
        if stream:
            async with client.responses.stream(model="auto", input="Hi", tools=[TOOL]) as items:
                async for _ in items:
                    pass
                got: Any = await items.get_final_response()
        else:
            got = await client.responses.create(
                model="auto", input="Hi", tools=[TOOL], tool_choice="required"
            )
    (item,) = got.output
    assert (item.type, item.call_id, item.name, json.loads(item.arguments)) == (
        "function_call",
        "c1",
        "light",
        {"on": True},
    )


async def test_earlier_items_are_messages(serve: Any) -> None:
    backend = Capable("chat", ["ok"])
    items: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Light on"}]},
        {"type": "reasoning", "id": "r1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "light", "arguments": '{"on": true}'},
        {"type": "function_call_output", "call_id": "c1", "output": "it is on"},
    ]
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.responses.create(model="auto", input=items)
    assert backend.requests[0].input == [
        {"role": "user", "content": "Light on"},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "content": "it is on", "tool_call_id": "c1"},
    ]


async def test_what_is_kept_nowhere_is_refused(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        with pytest.raises(openai.BadRequestError, match="send the earlier items in input"):
            await client.responses.create(model="auto", input="Hi", previous_response_id="resp_1")
