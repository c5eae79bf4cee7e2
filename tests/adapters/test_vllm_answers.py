"""What vLLM 0.32.0 (vllm_answers/LICENCE.txt), LiteLLM 1.80.5 and llama-cpp-python 0.3.36 answered, word by word."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._vllm_metrics import read_metrics
from loom.adapters.anthropic import anthropic
from loom.adapters.openai import openai
from loom.adapters.vllm import vllm
from loom.errors import BackendFailed, ContextExceeded
from tests.adapters.fault_server import Asked, reply
from tests.adapters.model_server import (
    HI_EVENTS,
    JSON,
    SSE,
    asking,
    chat,
    completion,
    events,
    says_bytes,
    streamed,
)

Patch = pytest.MonkeyPatch
HERE = Path(__file__).with_name("vllm_answers")
LIGHT = {"name": "light.on", "description": "", "parameters": {"type": "object"}}
TOO_MANY = (
    "max_completion_tokens=8192 cannot be greater than max_model_len=1024. Please request fewer output tokens. "
    "(parameter=max_completion_tokens, value=8192)"
)


def said(name: str) -> bytes:
    """What it said."""
    return (HERE / name).read_bytes()


class Vllm:
    """A server that says what that one said; *answer* is what it says in pieces."""

    def __init__(self, answer: str = "chat.sse", models: bytes | None = None) -> None:
        self.answer, self.models = answer, said("models.json") if models is None else models

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/metrics":
            writer.write(reply(200, said("metrics.txt"), content_type="text/plain; version=1.0.0"))
        elif asked.path == "/v1/models":
            writer.write(reply(200, self.models, **JSON))
        elif json.loads(asked.body).get("stream"):
            writer.write(reply(200, said(self.answer), **SSE))
        else:
            writer.write(reply(200, said("chat.json"), **JSON))


def test_its_metrics_are_read() -> None:
    found = read_metrics(said("metrics.txt").decode(), "tiny-alias")
    assert found == {"running": 2, "waiting": 23, "kv_cache": pytest.approx(0.000977, abs=1e-6)}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("make", "strict"), [(vllm, False), (vllm, True), (openai, True)])
async def test_each_of_its_names_for_a_model_is_that_model(
    monkeypatch: Patch, make: Any, strict: bool, streams: bool
) -> None:
    settings = {"model": "tiny-alias", "strict": strict, "concurrency": 1}
    async with asking(monkeypatch, Vllm(), make, **settings) as (model, _):
        await model.warm() if not strict else None
        output = (await streamed(model))[-1] if streams else (await model.infer(chat())).output
        assert "other_model" not in output
        assert (output["tokens_in"], output["tokens_out"], output["stopped"]) == (14, 3, "length")
        assert model.statistics()["other_model"] == 0


async def test_a_name_for_something_else_is_another_model(monkeypatch: Patch) -> None:
    models = json.loads(said("models.json"))
    models["data"][1] |= {"root": "/models/adapter", "parent": "tiny"}
    server = Vllm(models=json.dumps(models).encode())
    async with asking(monkeypatch, server, vllm, model="tiny-alias", strict=True) as (model, _):
        with pytest.raises(BackendFailed, match=r"asked for 'tiny-alias' and answered as 'tiny'"):
            await model.infer(chat())
        assert model.statistics()["failed"] == 1


async def test_its_list_says_the_context_of_a_model_that_is_named(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, Vllm(), vllm, model="org/tiny", keep=True) as (model, server):
        for _ in range(2):
            await model.infer(chat())
            await model._signals._task
            model._signals._next = 0.0
        assert model.context == 1024
        assert model.signals["waiting"] == 23
        assert sum(asked.path == "/v1/models" for asked in server.requests) == 1


async def test_a_list_that_is_not_given_is_not_asked_for_each_time(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, Vllm(models=b"no"), vllm, model="tiny", keep=True) as (model, server):
        for _ in range(3):
            await model.infer(chat())
            await model._signals._task
            model._signals._next = 0.0
        assert (model.context, model.signals["running"]) == (None, 2)
        assert sum(asked.path == "/v1/models" for asked in server.requests) == 1


async def test_its_calls_of_tools_are_put_together(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, Vllm("tools.sse"), vllm, model="tiny-alias") as (model, _):
        output = (await streamed(model, chat("on", tools=[LIGHT], tool_choice="required")))[-1]
        (call,) = output["tool_calls"]
        assert (call["name"], call["arguments"]) == ("light.on", {"room": "hall"})
        assert (output["stopped"], output["tokens_out"]) == ("tools", 74)


@pytest.mark.parametrize(
    ("make", "settings", "answer"),
    [(anthropic, {}, "messages.sse"), (openai, {"api": "responses"}, "responses.sse")],
)
async def test_its_other_two_apis_are_read(
    monkeypatch: Patch, make: Any, settings: dict[str, str], answer: str
) -> None:
    async with asking(monkeypatch, Vllm(answer), make, model="tiny", **settings) as (model, _):
        output = (await streamed(model))[-1]
        assert (output["tokens_in"], output["tokens_out"], output["stopped"]) == (14, 3, "length")


@pytest.mark.parametrize("make", [openai, anthropic])
@pytest.mark.parametrize(
    "words",
    [
        "temperature must be in [0, 2], got 3.0. (parameter=temperature, value=3.0)",
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        "temperature: Input should be less than or equal to 1",
    ],
)
async def test_a_value_that_is_refused_costs_nobody_the_setting(
    monkeypatch: Patch, make: Any, words: str
) -> None:
    error = reply(400, json.dumps({"error": {"message": words}}), **JSON)
    async with asking(monkeypatch, says_bytes(error), make) as (model, server):
        with pytest.raises(BackendFailed, match="temperature"):
            await model.infer(chat("hi", temperature=1))
        assert len(server.requests) == 1
        assert model.statistics()["adapted"] == 0


async def test_more_tokens_than_it_has_context_are_for_a_model_with_more(monkeypatch: Patch) -> None:
    error = reply(400, json.dumps({"error": {"message": TOO_MANY}}), **JSON)
    async with asking(monkeypatch, says_bytes(error), vllm) as (model, _):
        with pytest.raises(ContextExceeded) as raised:
            await model.infer(chat("hi", max_tokens=8192))
        assert raised.value.limit == 1024


@pytest.mark.parametrize(
    "words", [TOO_MANY, "max_tokens: 8192 > 1024, which is the maximum allowed number of output tokens for m"]
)
async def test_who_has_less_than_our_number_of_tokens_is_asked_for_that(
    monkeypatch: Patch, words: str
) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if json.loads(asked.body)["max_tokens"] > 1024:
            writer.write(reply(400, json.dumps({"type": "error", "error": {"message": words}}), **JSON))
        else:
            writer.write(reply(200, events(*HI_EVENTS), **SSE))

    async with asking(monkeypatch, behave, anthropic) as (model, server):
        for _ in range(2):
            assert (await model.infer(chat("hi"))).output["text"] == "Hi thére"
        assert [json.loads(asked.body)["max_tokens"] for asked in server.requests] == [8192, 1024, 1024]
        with pytest.raises(BackendFailed, match="8192"):
            await model.infer(chat("hi", max_tokens=2000))  # who says a number means it
        assert len(server.requests) == 4


async def test_who_has_ever_less_room_is_not_asked_for_ever(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        words = (
            f"max_tokens=1 cannot be greater than max_model_len={json.loads(asked.body)['max_tokens'] - 1}"
        )
        writer.write(reply(400, json.dumps({"error": {"message": words}}), **JSON))

    async with asking(monkeypatch, behave, anthropic) as (model, server):
        with pytest.raises(ContextExceeded):
            await model.infer(chat("hi"))
        assert len(server.requests) == 2


async def test_a_model_that_litellm_does_not_have_is_told_with_the_nearest(monkeypatch: Patch) -> None:
    words = "{'error': '/chat/completions: Invalid model name passed in model=fake-gtp. Call `/v1/models` to view'}"

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        listed = {"data": [{"id": "fake-gpt"}, {"id": "else"}], "object": "list"}
        wrong = {"error": {"message": words, "type": "None", "param": "None", "code": "400"}}
        here = asked.path == "/v1/models"
        writer.write(reply(200 if here else 400, json.dumps(listed if here else wrong), **JSON))

    async with asking(monkeypatch, behave, model="fake-gtp") as (model, _):
        with pytest.raises(BackendFailed, match="it has 'fake-gpt'"):
            await model.infer(chat())


async def test_an_error_that_litellm_sends_as_an_event_is_read(monkeypatch: Patch) -> None:
    words = "litellm.ContextWindowExceededError: This model's maximum context length is 1024 tokens."
    event = f"data: {json.dumps({'error': {'message': words, 'type': 'None', 'code': '400'}})}\n\n"
    async with asking(monkeypatch, says_bytes(reply(400, event, **SSE))) as (model, _):
        with pytest.raises(ContextExceeded, match=r"answered 400: litellm") as raised:
            await model.infer(chat())
        assert raised.value.limit == 1024


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_who_takes_a_schema_beside_json_object_gets_it_there(monkeypatch: Patch, api: str) -> None:
    words = (
        "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'msg': "
        "\"Input should be 'text' or 'json_object'\", 'input': 'json_schema'}\n\n File \"app.py\", logprobs"
    )
    schema = {"type": "object"}

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if json.loads(asked.body).get("response_format", {}).get("type") != "json_object":
            writer.write(reply(500, json.dumps({"error": {"message": words}}), **JSON))
        else:
            writer.write(reply(200, json.dumps(completion("{}")), **JSON))

    async with asking(monkeypatch, behave, api=api, logprobs=True) as (model, server):
        if api == "responses":  # it has other words for it
            with pytest.raises(BackendFailed, match="response_format"):
                await model.infer(chat(schema=schema))
            return
        for _ in range(2):
            assert (await model.infer(chat(schema=schema))).output["text"] == "{}"
        assert len(server.requests) == 3
        sent = json.loads(server.requests[-1].body)
        assert sent["response_format"] == {"type": "json_object", "schema": schema}
        assert sent["logprobs"] is True
