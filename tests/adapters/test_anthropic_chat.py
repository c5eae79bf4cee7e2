"""Anthropic's messages: what is sent, what is read, events, limits and errors, and how the backend is reached."""

import asyncio
import json
from typing import Any

import pytest

from loom.adapters._anthropic_chat import MessagesWire
from loom.adapters._model_errors import Peer
from loom.adapters.anthropic import anthropic
from loom.errors import BackendFailed, ContextExceeded, ModelFailed
from tests.adapters.fault_server import Asked, reply
from tests.adapters.model_server import (
    HI_EVENTS,
    JSON,
    KEY,
    MESSAGE,
    SECRET,
    asking,
    chat,
    events,
    says_json,
    says_stream,
    streamed,
)
from tests.adapters.test_openai_chat import TALK, TOOLS

Patch = pytest.MonkeyPatch
WIRE = MessagesWire(Peer("the backend"))
START = {"type": "message_start", "message": MESSAGE}
STOP = {"type": "message_stop"}


def sent(request: Any) -> Any:
    return json.loads(WIRE.talk(request).call("m", False).body)


def read(content: list[Any], stop: str = "end_turn", **more: Any) -> Any:
    body = {**MESSAGE, "type": "message", "content": content, "stop_reason": stop, **more}
    return WIRE.talk(chat("hi", tools=TOOLS)).answer({}, json.dumps(body).encode())


def test_a_plain_question_has_the_number_that_they_want() -> None:
    assert sent(chat("hi")) == {
        "model": "m",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    body = sent(
        chat("hi", system="S", max_tokens=5, stop="x", temperature=1, tools=TOOLS, tool_choice="required")
    )
    assert (body["system"], body["max_tokens"], body["stop_sequences"], body["temperature"]) == (
        "S",
        5,
        ["x"],
        1,
    )
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"][0]["input_schema"]["type"] == "object"
    assert body["tools"][0]["name"] == "light__on"
    schema = {"type": "object"}
    assert sent(chat("hi", schema=schema))["output_config"]["format"] == {
        "type": "json_schema",
        "schema": schema,
    }


def test_answers_of_tools_are_one_message_of_the_user() -> None:
    body = sent(chat(TALK, tools=TOOLS))
    assert body["system"] == "Be brief."
    user, assistant, results = body["messages"]
    assert (user["role"], assistant["role"], results["role"]) == ("user", "assistant", "user")
    assert [each["type"] for each in assistant["content"]] == ["tool_use", "tool_use"]
    assert assistant["content"][0]["input"] == {"room": "hall"}
    assert [each["tool_use_id"] for each in results["content"]] == ["a", "b"]


@pytest.mark.parametrize("options", [{"seed": 1}, {"temperature": 1.5}])
def test_what_the_api_has_not_is_refused(options: Any) -> None:
    with pytest.raises(ModelFailed, match=next(iter(options))):
        WIRE.talk(chat("hi", **options))


def test_an_answer_is_text_calls_and_what_it_took() -> None:
    use = {"type": "tool_use", "id": "a", "name": "light__on", "input": {"room": "hall"}}
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Sure."}, use]
    taken = {
        "input_tokens": 7,
        "output_tokens": 2,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 10,
    }
    answer = read(blocks, "tool_use", usage=taken)
    call = {"id": "a", "name": "light.on", "arguments": {"room": "hall"}}
    assert answer.output == {
        "text": "Sure.", "tokens_in": 117, "tokens_out": 2, "stopped": "tools", "tool_calls": [call],
    }  # fmt: skip
    assert read([{"type": "text", "text": "x"}], "max_tokens").output["stopped"] == "length"
    assert read([{"type": "text", "text": "x"}], "refusal").output["filtered"] is True
    assert read([], "end_turn").output["text"] == ""


async def test_a_stream_of_events_is_read(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_stream(events(*HI_EVENTS)), anthropic) as (model, server):
        *items, last = await streamed(model)
        assert [item["text"] for item in items] == ["Hi", " thére"]
        assert (last["tokens_in"], last["tokens_out"], last["stopped"], last["model"]) == (7, 2, "end", "m")
        asked = server.requests[0]
        assert (asked.path, asked.headers["x-api-key"]) == ("/messages", KEY)
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert "authorization" not in asked.headers


async def test_calls_are_put_together_from_their_events(monkeypatch: Patch) -> None:
    def block(index: int, id: str) -> dict[str, Any]:
        use = {"type": "tool_use", "id": id, "name": "light__on", "input": {}}
        return {"type": "content_block_start", "index": index, "content_block": use}

    def part(index: int, text: str) -> dict[str, Any]:
        delta = {"type": "input_json_delta", "partial_json": text}
        return {"type": "content_block_delta", "index": index, "delta": delta}

    said = [
        START,
        block(1, "a"),
        block(2, "b"),
        part(1, '{"room"'),
        part(2, '{"ro'),
        part(1, ': "hall"}'),
        STOP,
    ]
    async with asking(monkeypatch, says_stream(events(*said)), anthropic) as (model, _):
        last = (await streamed(model, chat("hi", tools=TOOLS)))[-1]
        first, second = last["tool_calls"]
        assert first == {"id": "a", "name": "light.on", "arguments": {"room": "hall"}}
        assert (second["arguments"], second["arguments_text"]) == ({}, '{"ro')
        assert last["stopped"] == "tools"


async def test_an_overloaded_server_can_be_asked_again_and_a_bad_request_not(monkeypatch: Patch) -> None:
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    wrong = {"type": "error", "error": {"type": "invalid_request_error", "message": f"bad: {SECRET}"}}
    async with asking(monkeypatch, says_json(overloaded, 529, retry_after="3"), anthropic) as (model, _):
        with pytest.raises(BackendFailed) as caught:
            await model.infer(chat())
        assert (caught.value.status, caught.value.retryable, caught.value.retry_after) == (529, True, 3)
    for said, retryable in ((overloaded, True), (wrong, False)):
        content = events(START, said)
        async with asking(monkeypatch, says_stream(content), anthropic) as (model, _):
            with pytest.raises(BackendFailed) as caught:
                await streamed(model)
            assert caught.value.retryable is retryable
            assert "Mauzi" not in str(caught.value)


async def test_when_a_used_up_limit_fills_again_is_read(monkeypatch: Patch) -> None:
    headers = {
        "anthropic_ratelimit_requests_remaining": "0",
        "anthropic_ratelimit_requests_reset": "2099-01-01T00:00:00Z",
    }
    async with asking(monkeypatch, says_json({"error": {}}, 429, **headers), anthropic) as (model, _):
        with pytest.raises(BackendFailed) as caught:
            await model.infer(chat())
        assert caught.value.retry_after == 3600, "an hour is the most"


async def test_too_long_a_prompt_is_told_apart(monkeypatch: Patch) -> None:
    said = {"type": "error", "error": {"type": "invalid_request_error",
            "message": "prompt is too long: 214468 tokens > 200000 maximum"}}  # fmt: skip
    async with asking(monkeypatch, says_json(said, 400), anthropic) as (model, _):
        with pytest.raises(ContextExceeded) as caught:
            await model.infer(chat())
        assert caught.value.limit == 200_000


@pytest.mark.parametrize(
    "listed", [reply(404, "no"), reply(200, "<html>"), reply(200, "{}"), reply(401, "{}")]
)
async def test_a_server_without_a_list_is_asked_without_a_name(monkeypatch: Patch, listed: bytes) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        body = {**MESSAGE, "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn"}
        writer.write(listed if asked.path == "/models" else reply(200, json.dumps(body), **JSON))

    async with asking(monkeypatch, behave, anthropic, model="") as (model, server):
        await model.infer(chat())
        await model.infer(chat())
        assert [asked.path for asked in server.requests].count("/models") == 1
        assert json.loads(server.requests[-1].body)["model"] == ""


async def test_without_a_name_the_first_model_is_asked(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/models":
            writer.write(
                reply(200, '{"data": [{"id": "claude-x", "max_input_tokens": 9}, {"id": "y"}]}', **JSON)
            )
        else:
            body = {**MESSAGE, "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn"}
            writer.write(reply(200, json.dumps(body), **JSON))

    async with asking(monkeypatch, behave, anthropic, model="") as (model, server):
        assert model.context is None
        await model.infer(chat())
        await model.infer(chat())
        assert [asked.path for asked in server.requests] == ["/models", "/messages", "/messages"]
        assert json.loads(server.requests[1].body)["model"] == "claude-x"
        assert model.context == 9


async def test_a_model_that_takes_no_temperature_is_asked_without(monkeypatch: Patch) -> None:
    wrong = {
        "error": {"type": "invalid_request_error", "message": "`temperature` is deprecated for this model."}
    }

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if "temperature" in json.loads(asked.body):
            writer.write(reply(400, json.dumps(wrong), **JSON))
        else:
            writer.write(reply(200, events(*HI_EVENTS), content_type="text/event-stream"))

    async with asking(monkeypatch, behave, anthropic) as (model, server):
        for _ in range(2):
            assert (await model.infer(chat("hi", temperature=0))).output["text"] == "Hi thére"
        assert len(server.requests) == 3
        assert model.statistics()["adapted"] == 1
