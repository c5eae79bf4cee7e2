"""What programs that people have send and expect, as it was seen of them; docs/how-to/gateway.md names them."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx
import openai
import pytest

from loom.errors import BudgetExceeded, ModelFailed
from loom.models.price import Price
from tests.web.conftest import Capable, client_of
from tests.web.raw import Raw
from tests.web.test_openai_tools import wants_a_tool

HI: Any = [{"role": "user", "content": "Hi"}]


def spent(request: Any) -> Any:
    raise BudgetExceeded("none left today", budget="b", kind="calls", resets_ms=4_102_444_800_000)


async def test_clients_that_retry_by_themselves_do_not_wait_for_another_day(serve: Any) -> None:
    backend = Capable("chat", spent)
    async with serve(backend) as gateway:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none") as client:
            with pytest.raises(anthropic.RateLimitError, match="none left today"):
                await client.messages.create(model="auto", max_tokens=9, messages=HI)
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="none") as other:
            with pytest.raises(openai.RateLimitError, match="none left today"):
                await other.chat.completions.create(model="auto", messages=HI)
    assert len(backend.requests) == 2


async def test_an_answer_that_breaks_off_is_an_error_to_clients_that_look_at_no_status(serve: Any) -> None:
    backend = Capable("chat", [[{"text": "Half "}, ModelFailed("it broke off")]])
    texts: list[str] = []

    async def read(stream: Any) -> None:
        async for each in stream:
            texts.extend([each.delta] if each.type == "response.output_text.delta" else [])

    async with serve(backend) as gateway, client_of(gateway) as client:
        stream = await client.responses.create(model="auto", input="Hi", stream=True)
        with pytest.raises(openai.APIError, match="it broke off") as caught:
            await read(stream)
    assert (texts, caught.value.code) == (["Half "], "backend_failed")


async def test_both_forms_of_a_failure_are_told_in_their_order(serve: Any) -> None:
    backend = Capable("chat", [[{"text": "Half "}, ModelFailed("it broke off")]])
    async with serve(backend) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        asked = {"model": "auto", "input": "Hi", "stream": True}
        text = (await client.post("/v1/responses", json=asked)).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    error, failed = events[-2:]
    assert (error["type"], error["message"], error["code"]) == ("error", "it broke off", "backend_failed")
    assert (failed["type"], failed["response"]["error"]["message"]) == ("response.failed", "it broke off")


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/completions", "/v1/chat/completions"), ("/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"), ("/v1/v1/messages", "/v1/messages"),
        ("/api/v1/embeddings", "/v1/embeddings"), ("/v1/messages/count_tokens", ""), ("/", ""), ("//", ""),
    ],
)  # fmt: skip
async def test_a_path_beside_one_that_is_there_is_told_that_one(serve: Any, path: str, meant: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post(path, {"model": "auto", "prompt": "Hi"})
    assert status == 404
    assert body["error"]["message"].endswith(f"did you mean {meant!r}?" if meant else "; see /openapi.json")


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/chat/completions", {"messages": HI, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1}),
        ("/v1/responses", {"input": "Hi", "client_metadata": {"turn": "1"}}),
        ("/v1/responses", {"input": "Hi", "context_management": [{"type": "compaction"}]}),
        ("/v1/messages", {"messages": HI, "max_tokens": 5, "thread": None}),
        ("/v1/messages", {"messages": HI, "max_tokens": 5, "context_management": {"edits": []}}),
    ],
)
async def test_fields_that_only_help_are_taken(serve: Any, path: str, more: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post(path, {"model": "auto", **more})
    assert status == 200, body


async def test_the_tool_runner_of_anthropic_sends_everything_where_no_thread_is_kept(serve: Any) -> None:
    @anthropic.beta_async_tool
    async def light(on: bool) -> str:
        """Switch it."""
        return f"it is {on}"

    backend = Capable("chat", [wants_a_tool, "done"])
    async with serve(backend) as gateway:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none", max_retries=0) as client:
            runner = client.beta.messages.tool_runner(model="auto", max_tokens=9, tools=[light], messages=HI)
            got = await runner.until_done()
            with pytest.raises(anthropic.BadRequestError, match="send the earlier messages"):
                await client.beta.messages.create(
                    model="auto", max_tokens=9, messages=HI, thread={"type": "create"}
                )
    assert [block.text for block in got.content if block.type == "text"] == ["done"]
    assert [each["role"] for each in backend.requests[1].input] == ["user", "assistant", "tool"]  # type: ignore[attr-defined]


async def test_who_names_a_model_is_told_of_that_one_alone(serve: Any) -> None:
    paid = Capable("chat", ["no"], name="paid")
    paid.price = Price(1.0, 1.0)  # type: ignore[attr-defined]
    others = [Capable("chat", ["no"], name=f"other{number}") for number in range(5)]
    async with serve(*others, paid) as gateway, Raw(gateway) as raw:
        asked = {"model": "paid", "messages": HI}
        status, _, body = await raw.post("/v1/chat/completions", asked, "x-loom-max-cost: 0")
    assert status == 402
    assert "other" not in body["error"]["message"]
    assert "paid: about" in body["error"]["message"]


@pytest.mark.parametrize("name", ["schema", "value"])
async def test_a_schema_beside_json_object_counts(serve: Any, name: str) -> None:
    backend = Capable("chat", ["{}"])
    form = {"type": "json_object", name: {"type": "object", "properties": {"a": {"type": "string"}}}}
    async with serve(backend) as gateway, Raw(gateway) as raw:
        status, _, _ = await raw.post(
            "/v1/chat/completions", {"model": "auto", "messages": HI, "response_format": form}
        )
    assert (status, backend.requests[0].options["schema"]) == (200, form[name])


async def test_a_client_that_refers_to_what_it_thinks_is_kept_is_told_what_to_set(serve: Any) -> None:
    items = [{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "msg_1"}]
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post("/v1/responses", {"model": "auto", "input": items})
    assert status == 400
    assert "store=false" in body["error"]["message"]


TOOL: Any = {"name": "light", "parameters": {"type": "object", "properties": {}}}
EARLIER: Any = [
    *HI,
    {
        "role": "assistant",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "light", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "no"},
]


def calls_twice(request: Any) -> Any:
    """Two calls of one id, as a model that counts from the beginning of what it was given names them."""
    calls = [{"id": "c1", "name": "light", "arguments": {}}, {"id": "c1", "name": "light", "arguments": {}}]
    found = {"text": "", "tokens_in": 5, "tokens_out": 3, "stopped": "tools", "tool_calls": calls}
    return [{**found, "done": True}] if request.stream else found


@pytest.mark.parametrize("stream", [False, True])
async def test_no_two_calls_of_a_conversation_have_one_id(serve: Any, stream: bool) -> None:
    tool: Any = {"type": "function", "function": TOOL}
    async with serve(Capable("chat", calls_twice)) as gateway, client_of(gateway) as client:
        asked: Any = {"model": "auto", "messages": EARLIER, "tools": [tool]}
        if stream:
            async with client.chat.completions.stream(**asked) as events:
                got = await events.get_final_completion()
        else:
            got = await client.chat.completions.create(**asked)
        first = await client.chat.completions.create(model="auto", messages=HI, tools=[tool])
    ids = [each.id for each in got.choices[0].message.tool_calls]
    assert len({*ids, "c1"}) == 3
    assert all(ids)
    assert [each.id == "c1" for each in first.choices[0].message.tool_calls] == [True, False]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("one", [False, True])
async def test_who_wants_one_call_at_a_time_gets_one(serve: Any, stream: bool, one: bool) -> None:
    claude: Any = {"name": "light", "input_schema": TOOL["parameters"]}
    more = {"model": "auto", "stream": stream}
    asked: list[tuple[str, Any, str]] = [
        (
            "/v1/chat/completions",
            {"messages": HI, "tools": [{"type": "function", "function": TOOL}], "parallel_tool_calls": not one},
            '"type": "function", "function"',
        ),
        (
            "/v1/responses",
            {"input": "Hi", "tools": [{"type": "function", **TOOL}], "parallel_tool_calls": not one},
            '"arguments": "{}"',
        ),
        (
            "/v1/messages",
            {
                "messages": HI, "max_tokens": 9, "tools": [claude],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": one},
            },
            '"type": "tool_use"',
        ),
    ]  # fmt: skip
    async with serve(Capable("chat", calls_twice)) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            for path, body, mark in asked:
                text = (await client.post(path, json={**body, **more})).text
                each = 3 if stream and path == "/v1/responses" else 1  # told, done, and in the whole
                assert text.count(mark) == each * (1 if one else 2), text


async def test_an_answer_that_was_empty_goes_back(serve: Any) -> None:
    backend = Capable("chat", ["", "now"])
    async with serve(backend) as gateway:
        async with anthropic.AsyncAnthropic(base_url=gateway.url, api_key="none", max_retries=0) as client:
            first = await client.messages.create(model="auto", max_tokens=9, messages=HI)
            said: Any = [
                *HI,
                {"role": "assistant", "content": first.content},
                {"role": "user", "content": "Well?"},
            ]
            again = await client.messages.create(model="auto", max_tokens=9, messages=said)
            with pytest.raises(anthropic.BadRequestError, match="content is missing or empty"):
                await client.messages.create(
                    model="auto", max_tokens=9, messages=[{"role": "user", "content": []}]
                )
    assert [block.text for block in again.content if block.type == "text"] == ["now"]
    assert [each["content"] for each in backend.requests[1].input] == ["Hi", "Well?"]  # type: ignore[attr-defined]


async def test_a_picture_in_the_result_of_a_tool_is_refused_by_its_name(serve: Any) -> None:
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    said = [
        *HI,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [block]}]},
    ]
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.post("/v1/messages", {"model": "auto", "max_tokens": 5, "messages": said})
    assert status == 400
    assert "content[0].content[0].type is 'image', and only text is taken" in body["error"]["message"]
