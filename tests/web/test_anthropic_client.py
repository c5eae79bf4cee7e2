"""The real `anthropic` package talks to the gateway."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from loom.errors import BackendFailed
from tests.web.conftest import Capable
from tests.web.test_openai_tools import CALLS, wants_a_tool

TOOL: Any = {"name": "light", "description": "d", "input_schema": {"type": "object"}}
HI: Any = [{"role": "user", "content": "Hi"}]


def client_of(gateway: Any) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none", max_retries=0)


async def test_a_message(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        got = await client.messages.create(model="auto", max_tokens=9, messages=HI, system="Be short.")
    assert [block.text for block in got.content if block.type == "text"] == ["Hello you"]
    assert (got.stop_reason, got.usage.input_tokens, got.usage.output_tokens) == ("end_turn", 7, 2)


async def test_a_message_in_pieces(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        async with client.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
            texts = [text async for text in stream.text_stream]
            got = await stream.get_final_message()
    assert texts == ["Hello ", "you"]
    assert (got.stop_reason, got.usage.output_tokens) == ("end_turn", 2)


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_of_a_message(serve: Any, stream: bool) -> None:
    choice: Any = {"type": "tool", "name": "light"}
    backend = Capable("chat", wants_a_tool)
    asked: Any = {"model": "auto", "max_tokens": 9, "messages": HI, "tools": [TOOL], "tool_choice": choice}
    async with serve(backend) as gateway, client_of(gateway) as client:
        if stream:
            async with client.messages.stream(**asked) as items:
                got: Any = await items.get_final_message()
        else:
            got = await client.messages.create(**asked)
    (block,) = got.content
    assert (got.stop_reason, block.type, block.id, block.name, block.input) == (
        "tool_use", "tool_use", "c1", "light", {"on": True},
    )  # fmt: skip
    assert backend.requests[0].options["tool_choice"] == "required"


async def test_tool_results_are_messages_of_their_own(serve: Any) -> None:
    backend = Capable("chat", ["ok"])
    messages: Any = [
        *HI,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "light", "input": {"on": True}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": "it is on"}],
                },
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    async with serve(backend) as gateway, client_of(gateway) as client:
        await client.messages.create(model="auto", max_tokens=9, messages=messages, stop_sequences=["END"])
    assert backend.requests[0].input == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": CALLS},
        {"role": "tool", "content": "it is on", "tool_call_id": "c1"},
        {"role": "user", "content": "And now?"},
    ]
    assert backend.requests[0].options == {"max_tokens": 9, "stop": ["END"]}


async def test_errors_have_anthropics_shape(serve: Any) -> None:
    async with serve() as gateway, client_of(gateway) as client:
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await client.messages.create(model="nobody", max_tokens=9, messages=HI)
        picture: Any = [{"role": "user", "content": [{"type": "image", "source": {}}]}]
        with pytest.raises(anthropic.BadRequestError, match="no pictures"):
            await client.messages.create(model="auto", max_tokens=9, messages=picture)
    assert unknown.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]


async def test_an_error_in_the_middle_of_a_stream_is_told(serve: Any) -> None:
    backend = Capable("chat", lambda request: [{"text": "He"}, BackendFailed("it went away")])
    async with serve(backend) as gateway, client_of(gateway) as client:
        with pytest.raises(anthropic.APIError, match="it went away"):
            async with client.messages.stream(model="auto", max_tokens=9, messages=HI) as stream:
                await stream.get_final_message()


async def test_the_models(serve: Any) -> None:
    async with serve(Capable("chat", ["x"], name="tiny")) as gateway, client_of(gateway) as client:
        names = [each.id async for each in client.models.list()]
    assert [name for name in names if not name.startswith("profile:")] == ["auto", "local", "tiny"]
