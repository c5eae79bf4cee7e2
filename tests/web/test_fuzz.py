"""Any body at all gets an answer in the right shape, and never one that the gateway failed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom.web.audio import read_speech, read_transcription
from loom.web.body import DEEPEST, read_json
from loom.web.call import Call
from loom.web.chat import read_chat
from loom.web.embeddings import read_embeddings
from loom.web.messages import read_messages
from loom.web.multipart import read_form
from loom.web.refusal import Refusal
from loom.web.responses import read_response
from tests.web.raw import HI, Raw

READERS = {
    "/v1/chat/completions": read_chat,
    "/v1/responses": read_response,
    "/v1/messages": read_messages,
    "/v1/embeddings": read_embeddings,
    "/v1/audio/speech": read_speech,
}
NAMES = [
    "model", "messages", "role", "content", "type", "text", "tools", "function", "name", "parameters", "arguments",
    "tool_calls", "tool_choice", "stream", "stream_options", "include_usage", "n", "max_tokens", "temperature", "stop",
    "max_completion_tokens", "seed", "response_format", "json_schema", "schema", "input", "instructions", "call_id",
    "output", "system", "tool_use_id", "max_output_tokens", "input_schema", "encoding_format", "dimensions", "voice",
    "speed", "stop_sequences", "thinking", "id",
]  # fmt: skip
WORDS = [
    "auto", "user", "assistant", "tool", "system", "text", "input_text", "function", "function_call", "tool_use",
    "function_call_output", "tool_result", "json_schema", "required", "none", "any", "message", "{}", "float", "wav",
]  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.sampled_from(WORDS) | st.text(max_size=5) | st.integers(-5, 5)
    | st.sampled_from([10**400, -(10**30), 1.5, 1e308, 2**63])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=25,
)
known = st.fixed_dictionaries(
    {"model": st.just("auto")},
    optional={
        "messages": st.lists(st.dictionaries(st.sampled_from(NAMES), values, max_size=5), max_size=3),
        "input": values,
        "max_tokens": st.just(5) | leaves,
        "tools": st.lists(st.dictionaries(st.sampled_from(NAMES), values, max_size=4), max_size=2),
        "tool_choice": values,
        "stream": leaves,
        "temperature": leaves,
        "stop": values,
    },
)
bodies = known | st.dictionaries(st.sampled_from(NAMES), values, max_size=6)


def outcome(read: Any, *given_bytes: Any) -> Any:
    """What was read, or how it was refused; anything else that is raised is a failure."""
    try:
        return read(*given_bytes)
    except Refusal as refusal:
        return refusal


@pytest.mark.parametrize("path", sorted(READERS))
@settings(max_examples=150)
@given(bodies)
def test_an_object_is_a_call_or_is_refused(path: str, body: Any) -> None:
    call = outcome(READERS[path], json.dumps(body).encode())
    if isinstance(call, Refusal):
        assert call.status == 400
        assert call.openai()["error"]["message"]
        return
    assert isinstance(call, Call)
    assert call.model
    json.dumps([call.input, dict(call.options)], allow_nan=False).encode()


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bytes_are_an_object_or_are_refused(data: bytes) -> None:
    found = outcome(read_json, data)
    assert isinstance(found, dict) or found.status == 400


@given(bodies)
def test_what_is_json_is_read_as_it_is(body: Any) -> None:
    assert read_json(json.dumps(body).encode()) == body


def nested(depth: int, opening: str, closing: str) -> bytes:
    return ('{"a": ' + opening * depth + "1" + closing * depth + "}").encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}"), ('[{"a": ', "}]")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    each = opening.count("[") + opening.count("{")
    most = (DEEPEST - 1) // each
    read_json(nested(most, opening, closing))
    for depth in (most + 1, 5_000, 200_000):
        with pytest.raises(Refusal, match="levels deep"):
            read_json(nested(depth, opening, closing))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' stands twice"), (b'{"a": Infinity}', "Infinity is no JSON"),
        (b'{"a": -Infinity}', "no JSON"), (b'{"a": 1e999}', "is too large"), (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"), (b'{"a": ' + b"1" * 5000 + b"}", "not JSON"), (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\xc3\x28"}', "not UTF-8"), (b"nul", "not JSON"), (b'"text"', "not text"),
    ],
)  # fmt: skip
def test_what_readers_differ_in_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        read_json(body)


def test_a_whole_pair_of_surrogates_is_text() -> None:
    assert read_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_many_keys_of_which_the_last_is_twice_are_refused_at_once() -> None:
    body = "{" + ",".join(f'"{n}": 1' for n in range(200_000)) + ', "199999": 1}'
    with pytest.raises(Refusal, match="stands twice"):
        read_json(body.encode())


@pytest.mark.parametrize("path", sorted(READERS))
def test_a_name_of_a_field_that_is_megabytes_long_is_refused_at_once(path: str) -> None:
    body = {"model": "auto", ("max_tokens" * 300_000): 1}
    found = outcome(READERS[path], json.dumps(body).encode())
    assert found.status == 400
    assert len(found.message) < 500


def form(parts: list[tuple[str, bytes]], mark: str = "X") -> bytes:
    made = b""
    for name, data in parts:
        made += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
    return made + f"--{mark}--\r\n".encode()


parts = st.lists(
    st.tuples(
        st.sampled_from(["file", "model", "x"]),
        st.binary(max_size=50).filter(lambda data: b"--X" not in data),
    ),
    max_size=3,
    unique_by=lambda part: part[0],
)


@given(parts)
def test_a_form_is_read_as_it_was_written(given_parts: Any) -> None:
    found = read_form(form(given_parts), "multipart/form-data; boundary=X") if given_parts else {}
    assert {name: part.data for name, part in found.items()} == dict(given_parts)


@settings(max_examples=200)
@given(st.binary(max_size=200) | parts.map(form), st.sampled_from(["X", '"X"', "", "Y"]))
def test_any_form_is_a_call_or_is_refused(data: bytes, mark: str) -> None:
    found = outcome(read_transcription, data, f"multipart/form-data; boundary={mark}")
    assert isinstance(found, Call) or found.status in (400, 415)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(sorted(READERS)), bodies), min_size=5, max_size=15))
def test_over_http_nothing_is_500_and_everything_has_its_shape(serve: Any, asked: Any) -> None:
    async def talk() -> None:
        async with serve() as gateway, Raw(gateway) as raw:
            for path, body in asked:
                status, headers, answer = await raw.post(path, {**body, "stream": False})
                assert status != 500, (path, body, answer)
                assert headers["content-type"] == "application/json"
                assert "error" in answer or status == 200
            assert (await raw.post("/v1/chat/completions", HI))[0] == 200

    asyncio.run(talk())
