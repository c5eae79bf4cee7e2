"""What the gateway serves: every path, how its requests are read and its answers are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loom.web import chat
from loom.web.call import Call, Told
from loom.web.client import Client
from loom.web.replying import Answer, as_json
from loom.web.serving import Endpoint, Events, check_json
from loom.web.upstream import Upstream


def _chat(data: bytes, content_type: str) -> Call:
    check_json(content_type)
    return chat.read_chat(data)


def _completion(output: object, told: Told, call: Call) -> Answer:
    return as_json(chat.completion(output, told))


def _chat_events(told: Told, call: Call) -> Events:
    return chat.ChatStream(told, call.usage)


ENDPOINTS = (Endpoint("/v1/chat/completions", "chat", _chat, _completion, _chat_events, "chatcmpl-"),)


def pages(upstream: Upstream) -> list[tuple[str, Callable[[Any, str], Answer]]]:
    """What can be read: the models, and whether it runs."""

    def models(client: Client, rest: str) -> Answer:
        client.check_kind("models")
        known = [_model(each) for each in upstream.named() if client.may_use(each.name)]
        return as_json({"object": "list", "data": known})

    def model(client: Client, rest: str) -> Answer:
        client.check_kind("models")
        upstream.check(rest, client)
        return as_json(next(_model(each) for each in upstream.named() if each.name == rest))

    def health(client: Client | None, rest: str) -> Answer:
        return as_json({"status": "ok"})

    return [("/v1/models", models), ("/v1/models/{rest:path}", model), ("/healthz", health)]


def _model(named: Any) -> dict[str, Any]:
    facts = {"location": named.location, "tasks": list(named.tasks)}
    return {"id": named.name, "object": "model", "created": 0, "owned_by": "loom", "loom": facts}
