"""The backends against a real llama.cpp server on loopback: answers, pieces, schemas, vectors, and hanging up on it."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from loom.adapters._http_client import _httpx
from loom.adapters.anthropic import anthropic
from loom.adapters.openai import openai
from loom.adapters.vllm import vllm
from loom.errors import BackendFailed, BackendTimeout, ContextExceeded, ModelFailed
from loom.models import ModelRequest, llama
from tests.cloud import Cloud, running_cloud

pytest.importorskip("xllamacpp")
_httpx()  # imported before a test watches for calls that block
try:
    llama.bundled_file()
except ModelFailed as error:
    pytest.skip(str(error), allow_module_level=True)

Patch = pytest.MonkeyPatch
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 150}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOLS = [{"name": "weather.get", "description": "The weather in a city", "parameters": PERSON}]
AFTER_A_TOOL = [
    {"role": "user", "content": "What is the weather in Paris?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "name": "weather.get", "arguments": {"city": "Paris"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "sunny, 21 degrees"},
]
ALL = [(openai, {}), (openai, {"api": "responses"}), (anthropic, {}), (vllm, {})]
NAMES = ["chat", "responses", "messages", "vllm"]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with running_cloud(tools=True, slots=1) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def key(cloud: Cloud, monkeypatch: Patch) -> None:
    monkeypatch.setenv("CLOUD_KEY", cloud.key)


def ask(text: Any, timeout: float | None = None, **options: Any) -> ModelRequest:
    return ModelRequest(
        "chat", text, timeout=timeout, options={"temperature": 0, "max_tokens": 20, **options}
    )


@pytest.mark.parametrize(("make", "settings"), ALL, ids=NAMES)
async def test_it_answers_whole_and_in_pieces(cloud: Cloud, make: Any, settings: Any) -> None:
    model = make("cloud", url=cloud.url, key="env:CLOUD_KEY", **settings)
    reply = await model.infer(ask("What is the capital of France?"))
    items = [item async for item in model.stream(ask("What is the capital of France?"))]
    assert "Paris" in reply.output["text"]
    assert "Paris" in "".join(item["text"] for item in items)
    assert len(items) > 3
    last = items[-1]
    assert last["tokens_in"] == reply.output["tokens_in"]
    assert (reply.first_ms is None) == (make is vllm), "a vLLM notices by itself that nobody waits"
    assert 0 <= (reply.first_ms or 0) < reply.total_ms
    assert 5 < last["tokens_in"] < 60
    assert 0 < last["tokens_out"] <= 20
    assert (reply.model, last["model"]) == (cloud.model, cloud.model)
    assert "estimated" not in last
    assert model.statistics()["other_model"] == 0
    await model.close()


@pytest.mark.parametrize(("make", "settings"), ALL, ids=NAMES)
async def test_a_conversation_with_tools_is_understood(cloud: Cloud, make: Any, settings: Any) -> None:
    model = make("cloud", url=cloud.url, key="env:CLOUD_KEY", **settings)
    for request in (ask(AFTER_A_TOOL, tools=TOOLS, max_tokens=5), ask("Hi", tools=TOOLS, max_tokens=5)):
        whole = (await model.infer(request)).output
        assert whole["text"]
        assert whole["tokens_in"] > 80, "the tools are in the prompt"
        assert [item async for item in model.stream(request)][-1]["done"]
    await model.close()


async def test_a_schema_is_followed_and_the_dialect_is_found_out(cloud: Cloud) -> None:
    model = openai("cloud", url=cloud.url, key="env:CLOUD_KEY")
    said = await model.infer(ask("John is 34 years old.", schema=PERSON, max_tokens=60))
    assert set(json.loads(said.output["text"])) == {"name", "age"}
    assert 0 < said.output["confidence"] <= 1, "llama-server says how sure it is"
    items = [item async for item in model.stream(ask("Ann is 7.", schema=PERSON, max_tokens=60))]
    assert set(json.loads("".join(item["text"] for item in items))) == {"name", "age"}
    assert 0 < items[-1]["confidence"] <= 1
    await model.close()


async def test_its_context_and_its_load_are_known(cloud: Cloud) -> None:
    model = vllm("cloud", url=cloud.url, key="env:CLOUD_KEY")
    await model.infer(ask("Hi", max_tokens=2))
    await model._signals._task  # type: ignore[misc]
    assert model.context == 2048
    assert model.signals["waiting"] == 0
    await model.close()


async def test_a_stop_and_a_limit_end_it(cloud: Cloud) -> None:
    model = openai("cloud", url=cloud.url, key="env:CLOUD_KEY")
    assert (
        "Paris"
        not in (await model.infer(ask("What is the capital of France?", stop=["Paris"]))).output["text"]
    )
    assert (await model.infer(ask("Tell me a story.", max_tokens=3))).output["stopped"] == "length"
    await model.close()


async def busy(cloud: Cloud) -> bool:
    slots = await asyncio.to_thread(cloud.get, "/slots")
    return any(slot["is_processing"] for slot in slots)


async def free(cloud: Cloud) -> None:
    """Until nobody is served; the server looks after each token."""
    async with asyncio.timeout(20):
        while await busy(cloud):
            await asyncio.sleep(0.02)


LONG = {"max_tokens": 1500, "temperature": 0}  # a minute and more, the same each time


async def test_who_stops_reading_frees_the_only_place(cloud: Cloud) -> None:
    model = openai("cloud", url=cloud.url, key="env:CLOUD_KEY")
    async with aclosing(model.stream(ask("Tell me a very long story.", **LONG))) as items:
        async for _ in items:
            break
        assert await busy(cloud)
    await free(cloud)
    assert (await model.infer(ask("Hi", max_tokens=2))).output["tokens_out"] == 2
    await model.close()


@pytest.mark.parametrize(("make", "settings"), ALL[:3], ids=NAMES[:3])
async def test_who_is_cancelled_or_late_frees_it_too(cloud: Cloud, make: Any, settings: Any) -> None:
    model = make("cloud", url=cloud.url, key="env:CLOUD_KEY", **settings)
    task = asyncio.create_task(model.infer(ask("Tell me a very long story.", **LONG)))
    async with asyncio.timeout(20):
        while not await busy(cloud):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await free(cloud)
    with pytest.raises(BackendTimeout):
        await model.infer(ask("Tell me a very long story.", timeout=0.1, **LONG))
    await free(cloud)
    assert (await model.infer(ask("Hi", max_tokens=2))).output["tokens_out"] == 2
    await model.close()


@pytest.mark.parametrize("make", [openai, anthropic])
async def test_its_refusals_are_typed(cloud: Cloud, make: Any, monkeypatch: Patch) -> None:
    model = make("cloud", url=cloud.url, key="env:CLOUD_KEY")
    with pytest.raises(ContextExceeded) as caught:
        await model.infer(ask("word " * 5000))
    assert (caught.value.limit, caught.value.retryable) == (2048, False)
    await model.close()
    monkeypatch.setenv("CLOUD_KEY", "wrong-key-12345678")
    wrong = make("cloud", url=cloud.url, key="env:CLOUD_KEY", model="m")
    with pytest.raises(BackendFailed, match="401") as refused:
        await wrong.infer(ask("Hi"))
    assert "wrong-key" not in str(refused.value)
    assert not refused.value.retryable
    await wrong.close()


async def test_one_connection_serves_them_all(cloud: Cloud) -> None:
    model = openai(
        "cloud", url=cloud.url, key="env:CLOUD_KEY", dialect="openai", model=cloud.model, concurrency=1
    )
    for _ in range(3):  # it closes the connection of a stream
        await model.infer(ask("Hi", max_tokens=1))
    assert model.statistics()["opened"] == 1
    await model.close()


async def test_vectors_of_alike_texts_are_alike(monkeypatch: Patch) -> None:
    with running_cloud(embedding=True) as cloud:
        monkeypatch.setenv("CLOUD_KEY", cloud.key)
        model = openai("vectors", url=cloud.url, key="env:CLOUD_KEY", tasks=["embed"])
        reply = await model.infer(ModelRequest("embed", ["a small cat", "a little cat", "3 + 4 = 7"]))
        cat, kitten, sum_ = reply.output["vectors"]
        assert len(cat) == 576
        assert near(cat, kitten) > near(cat, sum_)
        assert reply.usage.tokens_in > 5
        await model.close()


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
