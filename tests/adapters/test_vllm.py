"""A vLLM as a backend: its list, its metrics and when they are asked for, and what a router before it says."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._server_signals import EVERY, STALE
from loom.adapters._vsr_headers import vsr_signals
from loom.adapters.vllm import vllm
from tests.adapters.fault_server import Asked, reply
from tests.adapters.model_server import HI, JSON, SSE, asking, chat, completion, stream, streamed
from tests.adapters.test_vllm_metrics import V1

Patch = pytest.MonkeyPatch
VSR = {
    "x_vsr_selected_category": "math",
    "x_vsr_selected_decision": "formal_math_proof",
    "x_vsr_selected_confidence": "0.9100",
    "x_vsr_selected_model": "qwen/qwen3.5-rocm",
    "x_vsr_matched_keywords": "proof,theorem",
    "x_vsr_injected_system_prompt": "true",
    "x_vsr_cache_hit": "false",
}
SAID = {
    "vsr.selected_category": "math",
    "vsr.selected_decision": "formal_math_proof",
    "vsr.selected_confidence": 0.91,
    "vsr.selected_model": "qwen/qwen3.5-rocm",
    "vsr.matched_keywords": "proof,theorem",
    "vsr.injected_system_prompt": 1.0,
    "vsr.cache_hit": 0.0,
}


class Vllm:
    """A server as vLLM is one."""

    def __init__(self, **headers: str) -> None:
        self.looks = 0
        self.metrics = reply(200, V1, content_type="text/plain; version=0.0.4")
        self.headers = headers

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/metrics":
            self.looks += 1
            writer.write(self.metrics)
        elif asked.path == "/v1/models":
            model = {"id": "Qwen/Qwen3-0.6B", "object": "model", "owned_by": "vllm", "max_model_len": 40_960}
            writer.write(reply(200, json.dumps({"object": "list", "data": [model]}), **JSON))
        elif json.loads(asked.body).get("stream"):
            writer.write(reply(200, stream(*HI), **SSE, **self.headers))
        else:
            assert json.loads(asked.body)["model"] == "Qwen/Qwen3-0.6B"
            writer.write(reply(200, json.dumps(completion()), **JSON, **self.headers))


async def looked(model: Any) -> None:
    """The question in the background has its answer."""
    await model._signals._task


async def test_its_list_says_the_name_and_the_context_and_its_metrics_the_load(monkeypatch: Patch) -> None:
    server = Vllm()
    async with asking(monkeypatch, server, vllm, model="", keep=True) as (model, _):
        assert (model.context, dict(model.signals)) == (None, {})
        await model.infer(chat())
        await looked(model)
        assert model.context == 40_960
        assert model.signals == {"running": 5, "waiting": 4, "kv_cache": 0.75}
        assert model.statistics()["signals"] == model.signals
        assert "logprobs" in model.features


async def test_it_is_asked_seldom_and_only_while_it_is_used(monkeypatch: Patch) -> None:
    server = Vllm()
    async with asking(monkeypatch, server, vllm, model="", keep=True) as (model, _):
        await asyncio.gather(*(model.infer(chat()) for _ in range(20)))
        await looked(model)
        assert server.looks == 1
        model._signals._next -= EVERY
        await model.infer(chat())
        await looked(model)
        assert server.looks == 2


async def test_what_is_old_counts_no_more(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, Vllm(**VSR), vllm, model="", keep=True) as (model, _):
        await model.infer(chat())
        await looked(model)
        assert len(model.signals) == 10
        model._signals._load_at -= STALE + 1
        assert "running" not in model.signals
        model._signals._told_at -= STALE + 1
        assert model.signals == {}


@pytest.mark.parametrize(
    "answer", [reply(404, "no"), reply(200, b"\xff\x00" * 99), reply(200, b"x" * 5_000_000), b"rubbish"]
)
async def test_metrics_that_are_none_hurt_nobody(monkeypatch: Patch, answer: bytes) -> None:
    server = Vllm()
    server.metrics = answer
    async with asking(monkeypatch, server, vllm, model="") as (model, _):
        assert (await model.infer(chat())).output["text"] == "Hi there"
        await looked(model)
        assert model.signals == {}


async def test_metrics_can_be_left_alone(monkeypatch: Patch) -> None:
    server = Vllm()
    async with asking(monkeypatch, server, vllm, model="", keep=True, metrics=False) as (model, _):
        await model.infer(chat())
        assert model._signals._task is None
        assert server.looks == 0


@pytest.mark.parametrize("streams", [False, True])
async def test_what_the_semantic_router_decided_is_in_the_reply_and_the_signals(
    monkeypatch: Patch, streams: bool
) -> None:
    async with asking(monkeypatch, Vllm(**VSR), vllm, model="", metrics=False) as (model, _):
        output = (await streamed(model))[-1] if streams else (await model.infer(chat())).output
        assert output["signals"] == SAID
        assert model.signals == SAID
    async with asking(monkeypatch, Vllm(), vllm, model="", metrics=False) as (model, _):
        assert "signals" not in (await model.infer(chat())).output


NAMES = st.text(st.characters(codec="ascii"), max_size=20)


@given(st.dictionaries(NAMES.map("x-vsr-".__add__) | NAMES, st.text(max_size=400), max_size=60))
def test_signals_are_few_short_and_finite(headers: dict[str, str]) -> None:
    found = vsr_signals(headers)
    assert len(found) <= 48
    for name, value in found.items():
        assert name.startswith("vsr.")
        assert isinstance(value, float) or len(value) <= 200
