"""Everything that a server can do wrong is a typed error or the right answer, and nothing leaks: a matrix."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from time import time
from typing import Any

import pytest

from loom.errors import BackendTimeout, ContextExceeded
from tests.adapters.fault_server import Asked, Behaviour, FaultServer, reply
from tests.adapters.model_server import (
    DEEP,
    HI,
    JSON,
    KEY,
    SECRET,
    SSE,
    asking,
    calling,
    chat,
    completion,
    failure,
    says_bytes,
    says_json,
    says_stream,
    stream,
    streamed,
)

Patch = pytest.MonkeyPatch
ERROR = {"error": {"message": "no", "type": "some_error"}}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (403, False), (404, False), (413, False), (422, False), (408, True), (409, True),
     (429, True), (500, True), (501, False), (502, True), (503, True), (504, True), (529, True), (418, False)],
)  # fmt: skip
async def test_a_status_is_retryable_or_not(
    monkeypatch: Patch, status: int, retryable: bool, streams: bool
) -> None:
    async with asking(monkeypatch, says_json(ERROR, status)) as (model, server):
        error = await failure(model, streams)
        assert (error.status, error.retryable, error.retry_after) == (status, retryable, None)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry_after": "7"}, 7, 7),
        ({"retry_after": formatdate(time() + 3000, usegmt=True)}, 1, 3000),
        ({"retry_after": "999999"}, 3600, 3600),
        ({"retry_after_ms": "250"}, 0.25, 0.25),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "1m30s"}, 90, 90),
    ],
)
async def test_how_long_to_wait_is_read(
    monkeypatch: Patch, headers: dict[str, str], least: float, most: float
) -> None:
    async with asking(monkeypatch, says_json(ERROR, 429, **headers)) as (model, _):
        error = await failure(model, True)
        assert error.retry_after is not None
        assert least <= error.retry_after <= most


@pytest.mark.parametrize("content", [stream(*HI), json.dumps(completion("Hi thére")).encode()])
async def test_who_wants_it_whole_gets_it_in_pieces_or_whole(monkeypatch: Patch, content: bytes) -> None:
    kind = SSE if content.startswith(b"data") else JSON
    async with asking(monkeypatch, says_bytes(reply(200, content, **kind)), dialect="auto") as (
        model,
        server,
    ):
        answer = await model.infer(chat())
        assert answer.output == {"text": "Hi thére", "tokens_in": 7, "tokens_out": 2, "stopped": "end"}
        assert json.loads(server.requests[0].body)["stream"] is True
        assert (answer.first_ms is None) == (kind is JSON)
        *items, last = await streamed(model)
        assert "".join(item["text"] for item in items) == "Hi thére"
        assert last["done"]


async def test_a_used_up_account_is_not_asked_again(monkeypatch: Patch) -> None:
    spent = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}
    async with asking(monkeypatch, says_json(spent, 429)) as (model, _):
        assert not (await failure(model, False)).retryable


@pytest.mark.parametrize(
    "words",
    [
        f"Incorrect API key provided: {KEY}.",
        f"key {KEY[:12]}... is wrong",
        f"KEY {KEY.upper()}",
        f"bad content '{SECRET}'",
        f"in {SECRET.upper()[5:40]}",
        "x" * 100_000,
        f"<html>{SECRET}",
        "\x1b[31m\0\n\r",
    ],
)
async def test_words_of_a_server_repeat_neither_key_nor_prompt(monkeypatch: Patch, words: str) -> None:
    for body in (json.dumps({"error": {"message": words}}), json.dumps({"detail": words}), words):
        async with asking(monkeypatch, says_bytes(reply(400, body))) as (model, _):
            shown = str(await failure(model, False)).lower()
            assert KEY[:10] not in shown
            assert "the cat is called" not in shown
            assert shown.isprintable()
            assert len(shown) < 500


@pytest.mark.parametrize(
    "said",
    [
        {
            "error": {
                "message": "This model's maximum context length is 1024 tokens.",
                "code": "context_length_exceeded",
            }
        },
        {
            "error": {
                "code": 400,
                "message": "request (9 tokens) exceeds the available context size (1024 tokens)",
            }
        },
        {"object": "error", "message": "maximum context length is 1024 tokens, however you requested 2048"},
    ],
)
async def test_too_long_a_request_is_told_apart(monkeypatch: Patch, said: dict[str, Any]) -> None:
    async with asking(monkeypatch, says_json(said, 400)) as (model, _):
        error = await failure(model, False)
        assert isinstance(error, ContextExceeded)
        assert (error.limit, error.retryable) == (1024, False)


Cut = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def cut(content: bytes, how: str) -> Behaviour:
    """Sends *content*, then resets the connection, or closes its own half, or stays silent."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        if how == "reset":
            writer.transport.abort()
        elif how == "half":
            writer.write_eof()
            await asyncio.Event().wait()
        elif how == "silent":
            await asyncio.Event().wait()

    return behave


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 5000\r\n\r\n"
PLACES = {
    "before": b"",
    "headers": b"HTTP/1.1 200 OK\r\ncontent-ty",
    "body": HEAD + stream(HI[0], done=False),
}


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("how", ["reset", "half", "close"])
@pytest.mark.parametrize("where", PLACES)
async def test_a_cut_connection_can_be_tried_again(
    monkeypatch: Patch, where: str, how: str, streams: bool
) -> None:
    async with asking(monkeypatch, cut(PLACES[where], how)) as (model, server):
        error = await failure(model, streams)
        assert error.retryable
        assert not isinstance(error, BackendTimeout)
        assert len(server.requests) == 1, "nothing is sent twice on a fresh connection"


@pytest.mark.parametrize("where", PLACES)
async def test_silence_ends_by_itself(monkeypatch: Patch, where: str) -> None:
    async with asking(monkeypatch, cut(PLACES[where], "silent"), idle=0.1) as (model, server):
        error = await failure(model, True)
        assert isinstance(error, BackendTimeout)
        assert "said nothing for 0.1 s" in str(error)
        await server.left.wait()


async def test_a_whole_answer_may_take_longer_than_a_piece_but_not_than_the_request(
    monkeypatch: Patch,
) -> None:
    async with asking(monkeypatch, cut(b"", "silent"), idle=0.1, timeout=0.3) as (model, _):
        error = await failure(model, False)
        assert isinstance(error, BackendTimeout)
        assert "longer than its time" in str(error)


async def test_a_trickle_ends_with_the_time_of_the_request(monkeypatch: Patch) -> None:
    async def trickle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while True:
            writer.write(b": still here\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with asking(monkeypatch, trickle, timeout=0.3) as (model, server):
        assert isinstance(await failure(model, True), BackendTimeout)
        await server.left.wait()


BAD_BODIES = {
    "no json": b"{choices",
    "half": json.dumps(completion()).encode()[:-9],
    "a list": b"[]",
    "a number": b"7",
    "nothing": b"",
    "nested": DEEP.encode(),
    "nested a little less": ('{"a": ' * 100 + "1" + "}" * 100).encode(),
    "NaN": b'{"choices": [{"message": {"content": NaN}}]}',
    "no choices": json.dumps(completion(choices=[])).encode(),
    "choices are text": json.dumps(completion(choices="x")).encode(),
    "an error inside": b'{"error": {"message": "out of memory"}}',
    "bytes": bytes(range(256)),
    "half a character": b'{"choices": [{"message": {"content": "\\udcff"}}]}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_body_that_makes_no_sense_is_told(monkeypatch: Patch, body: bytes) -> None:
    async with asking(monkeypatch, says_bytes(reply(200, body, **JSON))) as (model, _):
        await failure(model, False)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_page_is_no_answer(monkeypatch: Patch, streams: bool) -> None:
    async with asking(monkeypatch, says_bytes(reply(200, "<html>", content_type="text/html"))) as (model, _):
        error = await failure(model, streams)
        assert not streams or ("url" in str(error) and not error.retryable)


async def test_a_large_answer_is_refused_before_it_is_read(monkeypatch: Patch) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"
    async with asking(monkeypatch, cut(head, "silent")) as (model, _):
        assert "limit" in str(await failure(model, False))


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"a: " + b"x" * 300_000,
        b"\x16\x03\x01 hello\r\n\r\n",
        b"\0" * 1000,
    ],
)
async def test_broken_http_is_told(monkeypatch: Patch, content: bytes) -> None:
    async with asking(monkeypatch, says_bytes(content)) as (model, _):
        await failure(model, False)


async def test_a_length_that_is_not_reached_is_told(monkeypatch: Patch) -> None:
    content = reply(200, json.dumps(completion()), **JSON)
    async with asking(monkeypatch, says_bytes(content[:-5])) as (model, _):
        assert (await failure(model, False)).retryable


@pytest.mark.parametrize("streams", [False, True])
async def test_what_is_compressed_is_not_unpacked(monkeypatch: Patch, streams: bool) -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    async with asking(monkeypatch, says_bytes(reply(200, bomb, content_encoding="gzip", **SSE))) as (
        model,
        server,
    ):
        assert "compressed" in str(await failure(model, streams))
        assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(monkeypatch: Patch, status: int) -> None:
    async with FaultServer(says_json(completion())) as elsewhere:
        answer = says_bytes(reply(status, location=elsewhere.url + "/v1/chat/completions"))
        async with asking(monkeypatch, answer) as (model, server):
            error = await failure(model, False)
            assert (error.status, error.retryable) == (status, False)
            assert len(server.requests) == 1
        assert elsewhere.requests == []


async def test_an_answer_of_another_model_is_noticed(monkeypatch: Patch) -> None:
    for strict in (False, True):
        async with asking(monkeypatch, says_json(completion(model="other")), strict=strict) as (model, _):
            if strict:
                assert "'other'" in str(await failure(model, False))
            else:
                reply_ = await model.infer(chat())
                assert (reply_.model, reply_.output["other_model"]) == ("other", "other")
            assert model.statistics()["other_model"] == 1


@pytest.mark.parametrize("streams", [False, True])
async def test_no_header_and_no_field_brings_the_key_into_an_error(monkeypatch: Patch, streams: bool) -> None:
    body = json.dumps(completion(model=KEY))
    async with asking(monkeypatch, says_bytes(reply(200, body, content_type=KEY))) as (model, _):
        if streams:
            await failure(model, True)
        else:
            assert KEY not in repr(await model.infer(chat()))
    async with asking(monkeypatch, says_json(completion(model=f"x{KEY}")), strict=True) as (model, _):
        await failure(model, streams)


async def test_without_usage_it_is_estimated_and_said(monkeypatch: Patch) -> None:
    whole = completion("x" * 400)
    del whole["usage"]
    async with asking(monkeypatch, says_json(whole), price={"million_out": 1e6}) as (model, _):
        answer = await model.infer(chat("a" * 4000))
        assert answer.output["estimated"] is True
        assert 900 < answer.usage.tokens_in < 1100
        assert answer.usage.tokens_out == 100
        assert answer.cost == 100
    async with asking(monkeypatch, says_stream(stream(*HI[:3]))) as (model, _):
        last = (await streamed(model))[-1]
        assert last["estimated"] is True
        assert last["tokens_out"] > 0
        assert model.statistics()["estimated"] == 1


@pytest.mark.parametrize("arguments", ['{"on": tru', "[1]", "7", '"on"', "{" * 200, '{"a": NaN}'])
async def test_broken_arguments_are_told_in_the_call(monkeypatch: Patch, arguments: str) -> None:
    tools = [{"name": "light.on", "description": "", "parameters": {}}]
    async with asking(monkeypatch, says_json(calling(("c1", "light__on", arguments)))) as (model, _):
        output = (await model.infer(chat("on", tools=tools))).output
        (call,) = output["tool_calls"]
        assert (call["id"], call["name"], call["arguments"]) == ("c1", "light.on", {})
        assert call["arguments_error"]
        assert output["stopped"] == "tools"


async def test_a_setting_that_is_refused_by_name_is_left_out_from_then_on(monkeypatch: Patch) -> None:
    refused = ("max_tokens", "logprobs", "stream_options", "temperature")

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        wrong = [name for name in refused if name in json.loads(asked.body)]
        words = f"Unsupported parameter: '{wrong[0]}'. Use 'max_completion_tokens'." if wrong else ""
        words = (
            words.replace(" Use 'max_completion_tokens'.", "")
            if words and wrong[0] != "max_tokens"
            else words
        )
        error = json.dumps({"error": {"message": words}})
        writer.write(reply(400, error, **JSON) if wrong else reply(200, stream(*HI), **SSE))

    async with asking(monkeypatch, behave, dialect="llama-server") as (model, server):
        for _ in range(2):
            assert (await model.infer(chat("hi", max_tokens=5, temperature=0))).output["text"] == "Hi thére"
        assert len(server.requests) == 6
        assert json.loads(server.requests[-1].body)["max_completion_tokens"] == 5
        assert (model.statistics()["adapted"], model.statistics()["failed"]) == (4, 0)


async def test_who_refuses_what_was_left_out_is_not_asked_for_ever(monkeypatch: Patch) -> None:
    said = {"error": {"message": "max_completion_tokens logprobs stream_options temperature"}}
    async with asking(monkeypatch, says_json(said, 400), dialect="llama-server") as (model, server):
        assert (await failure(model, True)).status == 400
        assert len(server.requests) == 5


async def test_advice_needs_no_second_place(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        listed = asked.path == "/v1/models"
        body = '{"data": [{"id": "m1"}]}' if listed else '{"error": {"message": "model m does not exist"}}'
        writer.write(reply(200 if listed else 404, body, **JSON))

    async with asking(monkeypatch, behave, concurrency=1) as (model, _):
        assert "'m1'" in str(await failure(model, False))


async def test_an_unknown_model_is_told_with_the_nearest(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/v1/models":
            writer.write(reply(200, '{"data": [{"id": "gpt-large"}, {"id": "zebra"}]}', **JSON))
        else:
            writer.write(reply(404, '{"error": {"message": "The model `gpt-lage` does not exist"}}', **JSON))

    async with asking(monkeypatch, behave, model="gpt-lage") as (model, _):
        error = await failure(model, False)
        assert "it has 'gpt-large'" in str(error)
        assert not error.retryable
