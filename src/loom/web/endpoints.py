"""What the gateway serves: every path, how its requests are read and its answers are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loom.web.audio import read_speech, read_transcription, speech, transcription
from loom.web.call import Call, Told
from loom.web.chat import ChatStream, completion, read_chat
from loom.web.client import Client
from loom.web.embeddings import embeddings, read_embeddings
from loom.web.messages import MessageStream, message, read_messages
from loom.web.openapi import document
from loom.web.replying import Answer, as_json
from loom.web.response_stream import ResponseStream
from loom.web.responses import read_response, response
from loom.web.serving import Endpoint, check_json
from loom.web.upstream import Upstream

Reader = Callable[[bytes], Call]


def _json(read: Reader) -> Callable[[bytes, str], Call]:
    """A reader of JSON alone."""

    def checked(data: bytes, content_type: str) -> Call:
        check_json(content_type)
        return read(data)

    return checked


def _written(write: Callable[[object, Told], Any]) -> Callable[[object, Told, Call], Answer]:
    """A writer of JSON that needs nothing of the call."""
    return lambda output, told, call: as_json(write(output, told))


ENDPOINTS = (
    Endpoint(
        "/v1/chat/completions", "chat", _json(read_chat), _written(completion),
        lambda told, call: ChatStream(told, call.usage), "chatcmpl-",
    ),
    Endpoint(
        "/v1/responses", "chat", _json(read_response), _written(response),
        lambda told, call: ResponseStream(told), "resp_",
    ),
    Endpoint(
        "/v1/messages", "chat", _json(read_messages), _written(message),
        lambda told, call: MessageStream(told), "msg_", True,
    ),
    Endpoint(
        "/v1/embeddings", "embeddings", _json(read_embeddings),
        lambda output, told, call: as_json(embeddings(output, told, call)),
    ),
    Endpoint("/v1/audio/transcriptions", "transcriptions", read_transcription, transcription),
    Endpoint("/v1/audio/speech", "speech", _json(read_speech), speech),
)  # fmt: skip


def pages(upstream: Upstream) -> list[tuple[str, Callable[[Any, str], Answer]]]:
    """What can be read: the models, and whether it runs."""

    def models(client: Client, rest: str) -> Answer:
        client.check_kind("models")
        known = [_model(each) for each in upstream.named() if client.may_use(each.name)]
        ends = {"first_id": known[0]["id"], "last_id": known[-1]["id"]} if known else {}
        return as_json({"object": "list", "data": known, "has_more": False, **ends})

    def model(client: Client, rest: str) -> Answer:
        client.check_kind("models")
        upstream.check(rest, client)
        return as_json(next(_model(each) for each in upstream.named() if each.name == rest))

    def health(client: Client | None, rest: str) -> Answer:
        return as_json({"status": "ok"})

    described = as_json(document(ENDPOINTS))

    def about(client: Client | None, rest: str) -> Answer:
        return described

    return [
        ("/v1/models", models),
        ("/v1/models/{rest:path}", model),
        ("/healthz", health),
        ("/openapi.json", about),
    ]


def _model(named: Any) -> dict[str, Any]:
    facts = {"location": named.location, "tasks": list(named.tasks)}
    anthropic = {"type": "model", "display_name": named.name, "created_at": "1970-01-01T00:00:00Z"}
    return {"id": named.name, "object": "model", "created": 0, "owned_by": "loom", **anthropic, "loom": facts}
