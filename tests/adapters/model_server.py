"""What servers of models say, well and badly, and a model that asks them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from loom.adapters._remote_model import RemoteModel
from loom.adapters.anthropic import anthropic
from loom.adapters.openai import openai
from loom.errors import BackendFailed
from loom.models import ModelRequest
from tests.adapters.fault_server import Asked, Behaviour, FaultServer, reply

KEY = "sk-planted-4f9a8b7c6d5e"
SECRET = "my secret diary says that the cat is called Mauzi"
JSON = {"content_type": "application/json"}
SSE = {"content_type": "text/event-stream"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def completion(text: str | None = "Hi there", **more: Any) -> dict[str, Any]:
    """A whole chat completion; *more* replaces its fields."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE, **more}


def calling(*calls: tuple[str, str, str]) -> dict[str, Any]:
    """A completion that calls tools: (id, name, arguments as text)."""
    made = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
    message = {"role": "assistant", "content": None, "tool_calls": made}
    return completion(choices=[{"index": 0, "message": message, "finish_reason": "tool_calls"}])


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One piece of a streamed completion."""
    delta = {} if text is None else {"content": text}
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def stream(*chunks: dict[str, Any], done: bool = True, end: str = "\n\n") -> bytes:
    """Chunks as server-sent events."""
    texts = [f"data: {json.dumps(each, ensure_ascii=False)}{end}" for each in chunks]
    return "".join([*texts, f"data: [DONE]{end}" if done else ""]).encode()


HI = (chunk("Hi"), chunk(" thére"), chunk(finish="stop"), {"model": "m", "choices": [], "usage": USAGE})


def events(*said: dict[str, Any]) -> bytes:
    """Anthropic's events."""
    return "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in said).encode()


MESSAGE = {"model": "m", "role": "assistant", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}
HI_EVENTS = (
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " thére"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def says_json(value: Any, status: int = 200, **headers: str) -> Behaviour:
    """Answers *value* as JSON."""
    return says_bytes(reply(status, json.dumps(value), **JSON, **headers))


def says_stream(content: bytes, **headers: str) -> Behaviour:
    """Answers *content* as a stream of events that ends with the connection."""
    return says_bytes(reply(200, content, **SSE, **headers))


def says_bytes(content: bytes) -> Behaviour:
    """Answers exactly that."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return behave


def chunked(*pieces: bytes) -> bytes:
    """A chunked answer of events."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def bound(model: RemoteModel, **bounds: Any) -> RemoteModel:
    """*model* with other bounds of its connections."""
    model._http.bounds = replace(model._http.bounds, **bounds)
    return model


Make = Callable[..., RemoteModel]


@asynccontextmanager
async def asking(
    monkeypatch: pytest.MonkeyPatch,
    behaviour: Behaviour,
    make: Make = openai,
    *,
    keep: bool = False,
    **settings: Any,
) -> AsyncIterator[tuple[RemoteModel, FaultServer]]:
    """A model and the server it asks; afterwards nothing is open, and no task of the model is left."""
    monkeypatch.setenv("MODEL_KEY", KEY)
    async with FaultServer(behaviour, keep=keep) as server:
        path = "" if make is anthropic else "/v1"
        values = {"url": server.url + path, "key": "env:MODEL_KEY", "model": "m", "timeout": 10.0, **settings}
        if make is openai:
            values = {"dialect": "openai", **values}
        model = make("cloud", **values)
        try:
            yield model, server
        finally:
            await model.close()
        left = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("loom-model")]
        assert left == []
        async with asyncio.timeout(10):
            while server.open:
                server.left.clear()
                await server.left.wait()


def chat(input: Any = SECRET, **options: Any) -> ModelRequest:
    """A request."""
    return ModelRequest("chat", input, options=options)


async def streamed(model: RemoteModel, request: ModelRequest | None = None) -> list[Any]:
    """All that a stream gives."""
    return [item async for item in model.stream(request or chat())]


DEEP = '{"choices": ' + "[" * 100_000 + "]" * 100_000 + "}"
"""JSON that is nested without end."""


async def failure(model: Any, streams: bool) -> BackendFailed:
    """The error of a request, which says nothing that it should not."""
    with pytest.raises(BackendFailed) as caught:
        await (streamed(model) if streams else model.infer(chat()))
    shown = f"{caught.value} {caught.value!r}"
    assert KEY not in shown
    assert "Mauzi" not in shown
    assert len(shown) < 3000
    return caught.value
