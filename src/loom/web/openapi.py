"""The description of the gateway for programs: OpenAPI 3.1, made from the endpoints themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loom import __version__
from loom.web import chat, embeddings, messages, responses
from loom.web.audio import FIELDS, SPEECH
from loom.web.serving import Endpoint
from loom.web.wishes import HEADERS

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
WHOLE = {"type": "integer"}
FLAG = {"type": "boolean"}
LIST = {"type": "array"}
OBJECT = {"type": "object"}
TYPES: Mapping[str, Any] = {
    "model": {**TEXT, "description": "auto, local, cloud, a backend of /v1/models, or profile:NAME"},
    "messages": {**LIST, "items": OBJECT, "minItems": 1}, "stream": FLAG, "stream_options": OBJECT,
    "max_tokens": {**WHOLE, "minimum": 1}, "max_completion_tokens": {**WHOLE, "minimum": 1},
    "max_output_tokens": {**WHOLE, "minimum": 1}, "temperature": {**NUMBER, "minimum": 0, "maximum": 2},
    "stop": {"type": ["string", "array"]}, "stop_sequences": LIST, "seed": WHOLE, "tools": {**LIST, "items": OBJECT},
    "parallel_tool_calls": FLAG,
    "tool_choice": {"type": ["string", "object"]}, "response_format": OBJECT, "n": {"const": 1},
    "input": {"type": ["string", "array"]}, "instructions": TEXT, "text": OBJECT,
    "system": {"type": ["string", "array"]},
    "output_config": OBJECT, "thinking": OBJECT, "encoding_format": {"enum": ["float", "base64"]},
    "dimensions": {"const": None}, "voice": TEXT, "speed": {**NUMBER, "minimum": 0.25, "maximum": 4}, "user": TEXT,
    "stream_format": {"const": "audio"}, "language": TEXT, "prompt": TEXT,
    "file": {**TEXT, "format": "binary", "description": "a WAV file"},
}  # fmt: skip
"""What each field is; the same name is the same everywhere, but for the two below."""
BODIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Mapping[str, Any]]] = {
    "/v1/chat/completions": (chat.READ, ("model", "messages"), {}),
    "/v1/responses": (responses.READ, ("model", "input"), {"tool_choice": {"type": ["string", "object"]}}),
    "/v1/messages": (messages.READ, ("model", "messages", "max_tokens"), {"tool_choice": OBJECT}),
    "/v1/embeddings": (embeddings.READ, ("model", "input"), {}),
    "/v1/audio/speech": (SPEECH, ("model", "input"), {"input": TEXT, "response_format": {"enum": ["wav", "pcm"]}}),
    "/v1/audio/transcriptions": (
        FIELDS, ("model", "file"),
        {"response_format": {"enum": ["json", "text", "verbose_json"]}, "stream": {"const": False}},
    ),
}  # fmt: skip
"""By path: the fields, those that must be there, and what is different about them."""
JSON, EVENTS = "application/json", "text/event-stream"
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "/v1/chat/completions": (JSON, EVENTS), "/v1/responses": (JSON, EVENTS), "/v1/messages": (JSON, EVENTS),
    "/v1/embeddings": (JSON,), "/v1/audio/transcriptions": (JSON, "text/plain"),
    "/v1/audio/speech": ("audio/wav", "audio/pcm"),
}  # fmt: skip
"""By path: the types of the answers; the schemas are OpenAI's and Anthropic's own."""
STATUSES: Mapping[int, str] = {
    400: "the request cannot be used; the error names the field", 401: "a key is needed, or this one is not known",
    402: "it costs more than a budget, or x-loom-max-cost, allows", 403: "privacy, or the key, does not allow it",
    404: "no such model, or none that can do it", 405: "another method", 408: "the body did not come in time",
    413: "the body is too large", 415: "another content type, or a compressed body",
    421: "the Host is not a name of this gateway",
    422: "nobody is expected to be good enough", 429: "a budget of calls, tokens or time; a backend that is busy",
    431: "the headers are too large", 500: "the gateway failed", 501: "a package is not installed",
    502: "the backend failed", 503: "busy, closing or deferred: see Retry-After", 504: "the time has run out",
}  # fmt: skip
TOLD = {
    "x-loom-decision": "the decision: loom why takes it", "x-loom-route": "local, cloud, hybrid or local_fallback",
    "x-loom-backend": "who answered", "x-loom-cost": "what it cost",
}  # fmt: skip
"""Headers of an answer; in a stream those that are known when it begins, the rest in its last event."""


KEYS: Mapping[str, Any] = {
    "key": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
"""How a key is sent, where one is needed."""


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, Any] = {each.path: {"post": _post(each)} for each in endpoints}
    paths["/v1/models"] = {"get": _get("The names that a request may give as its model")}
    parameter = {"name": "model", "in": "path", "required": True, "schema": TEXT}
    paths["/v1/models/{model}"] = {"get": {**_get("One of them"), "parameters": [parameter]}}
    paths["/healthz"] = {"get": {**_get("Whether it runs"), "security": []}}
    paths["/openapi.json"] = {"get": _get("This document")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Loom gateway", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": KEYS, "schemas": _ERRORS},
        "security": [{"key": []}, {"x-api-key": []}, {}],
    }


_ERRORS: Mapping[str, Any] = {
    "Error": {
        "type": "object", "required": ["error"],
        "properties": {"error": {
            "type": "object", "required": ["message", "type", "param", "code"],
            "properties": {"message": TEXT, "type": TEXT, "param": {"type": ["string", "null"]}, "code": TEXT},
        }},
    },
    "AnthropicError": {
        "type": "object", "required": ["type", "error"],
        "properties": {"type": {"const": "error"}, "error": {
            "type": "object", "required": ["type", "message"], "properties": {"type": TEXT, "message": TEXT},
        }},
    },
}  # fmt: skip


def _get(what: str) -> dict[str, Any]:
    answer = {"description": what, "content": {JSON: {"schema": OBJECT}}}
    return {"summary": what, "responses": {"200": answer, **_refusals("Error")}}


def _post(endpoint: Endpoint) -> dict[str, Any]:
    names, required, own = BODIES[endpoint.path]
    types = {name: own.get(name, TYPES[name]) for name in names}
    schema = {"type": "object", "properties": types, "required": list(required)}
    kind = "multipart/form-data" if endpoint.path.endswith("transcriptions") else JSON
    headers = [
        {"name": name, "in": "header", "description": what, "schema": TEXT} for name, what in HEADERS.items()
    ]
    answer = {
        "description": "the answer", "headers": {name: {"description": w, "schema": TEXT} for name, w in TOLD.items()},
        "content": {each: {"schema": OBJECT} if each == JSON else {} for each in ANSWERS[endpoint.path]},
    }  # fmt: skip
    shape = "AnthropicError" if endpoint.anthropic else "Error"
    return {
        "summary": f"{endpoint.kind}: {endpoint.path}",
        "parameters": headers,
        "requestBody": {"required": True, "content": {kind: {"schema": schema}}},
        "responses": {"200": answer, **_refusals(shape)},
    }


def _refusals(shape: str) -> dict[str, Any]:
    content = {JSON: {"schema": {"$ref": f"#/components/schemas/{shape}"}}}
    return {str(status): {"description": what, "content": content} for status, what in STATUSES.items()}
