"""The description agrees with what the routes do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loom.web.endpoints import ENDPOINTS
from loom.web.openapi import BODIES, HEADERS, STATUSES, document
from loom.web.refusal import RULES, Refusal
from tests.web.conftest import Capable, says
from tests.web.raw import Raw
from tests.web.test_openai_sound import PCM, wav_of

# A request that each endpoint answers, with every field that may be told apart by its presence alone.
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"model": "auto", "input": "Hi"},
    "/v1/messages": {"model": "auto", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]},
    "/v1/embeddings": {"model": "auto", "input": "Hi"},
    "/v1/audio/speech": {"model": "auto", "input": "Hi"},
}


def able() -> list[Capable]:
    return [
        Capable("chat", says, name="c"),
        Capable("embed", lambda request: {"vectors": [[1.0]]}, name="e"),
        Capable("speak", lambda request: {"pcm": PCM, "rate": 24_000}, name="s"),
        Capable("transcribe", lambda request: {"text": "x"}, name="t"),
    ]


def test_every_endpoint_is_described() -> None:
    found = document(ENDPOINTS)
    assert found["openapi"] == "3.1.0"
    assert {path for path, item in found["paths"].items() if "post" in item} == {
        each.path for each in ENDPOINTS
    }
    assert set(BODIES) == {each.path for each in ENDPOINTS}


async def test_every_path_that_is_described_is_there_and_no_other_method(serve: Any) -> None:
    async with serve(*able()) as gateway, Raw(gateway) as raw:
        status, _, found = await raw.get("/openapi.json")
        assert status == 200
        for path, item in found["paths"].items():
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
                raw.request(method, path.replace("{model}", "c"), b"{}" if method != "GET" else b"")
                status, _, _ = await raw.answer()
                assert (status in (404, 405)) == (method.lower() not in item), (method, path)
                assert str(status) in next(iter(item.values()))["responses"]


@pytest.mark.parametrize("path", sorted(GOOD))
async def test_every_field_that_must_be_there_must_and_no_other(serve: Any, path: str) -> None:
    schema = document(ENDPOINTS)["paths"][path]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert set(schema["required"]) == set(GOOD[path])
    async with serve(*able()) as gateway, Raw(gateway) as raw:
        raw.request("POST", path, json.dumps(GOOD[path]).encode())
        status, headers = await raw.head()
        assert status == 200
        assert {"x-loom-decision", "x-loom-route", "x-loom-backend"} <= set(headers)
        await raw.reader.readexactly(int(headers["content-length"]))
        for name in GOOD[path]:
            status, _, _ = await raw.post(path, {k: v for k, v in GOOD[path].items() if k != name})
            assert status == 400, name
        for name in schema["properties"]:
            if name not in GOOD[path]:  # null is as good as absent; what is unknown is not even taken as null
                raw.request("POST", path, json.dumps({**GOOD[path], name: None}).encode())
                status, headers = await raw.head()
                await raw.reader.readexactly(int(headers["content-length"]))
                assert status == 200, name
        assert (await raw.post(path, {**GOOD[path], "unheard_of": None}))[0] == 400


async def test_the_fields_of_a_transcription(serve: Any) -> None:
    properties = BODIES["/v1/audio/transcriptions"][0]
    async with serve(*able()) as gateway:
        import openai

        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client:
            await client.audio.transcriptions.create(
                model="auto",
                file=("a.wav", wav_of(PCM)),
                language="en",
                prompt="p",
                response_format="json",
                temperature=0,
                stream=False,
            )
            with pytest.raises(openai.BadRequestError):
                await client.audio.transcriptions.create(
                    model="auto", file=("a.wav", wav_of(PCM)), extra_body={"unheard_of": 1}
                )
    assert set(properties) == {
        "file",
        "model",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "stream",
    }


async def test_every_header_that_is_described_is_taken_and_no_other(serve: Any) -> None:
    path = "/v1/chat/completions"
    values = {"x-loom-label": "public", "x-loom-profile": "balanced", "x-loom-cache": "off"}
    async with serve(*able()) as gateway, Raw(gateway) as raw:
        for name in HEADERS:
            assert (await raw.post(path, GOOD[path], f"{name}: {values.get(name, '1')}"))[0] == 200, name
        assert (await raw.post(path, GOOD[path], "x-loom-else: 1"))[0] == 400


def test_every_status_is_described() -> None:
    assert {status for status, _ in RULES.values()} <= set(STATUSES)
    assert all(400 <= status <= 504 for status in STATUSES)
    for status in STATUSES:
        assert Refusal(status, "x", "y").openai()["error"]["type"]
        assert Refusal(status, "x", "y").anthropic()["error"]["type"]


@pytest.mark.parametrize("path", sorted(document(ENDPOINTS)["paths"]))
async def test_every_answer_is_of_a_type_that_is_described(serve: Any, path: str) -> None:
    ((method, about),) = document(ENDPOINTS)["paths"][path].items()
    sent: list[tuple[Any, str]] = [(GOOD.get(path, ""), "application/json")]
    if path.endswith("transcriptions"):
        sent = [(form_of(each), "multipart/form-data; boundary=b") for each in ("json", "text")]
    elif path.endswith("speech"):
        sent.append(({**GOOD[path], "response_format": "pcm"}, "application/json"))
    elif "text/event-stream" in about["responses"]["200"]["content"]:
        sent.append(({**GOOD[path], "stream": True}, "application/json"))
    seen = set()
    for body, kind in sent:
        async with serve(*able()) as gateway, Raw(gateway) as raw:
            data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
            raw.request(method.upper(), path.replace("{model}", "c"), data, f"Content-Type: {kind}")
            status, headers = await raw.head()
        assert status == 200
        seen.add(headers["content-type"].partition(";")[0])
    assert seen == set(about["responses"]["200"]["content"])


def form_of(form: str) -> bytes:
    fields = {b"model": b"auto", b"response_format": form.encode()}
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % each for each in fields.items()
    ]
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + wav_of(PCM)
    return b"".join(parts) + file + b"\r\n--b--\r\n"
