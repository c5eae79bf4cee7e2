"""Every bound of the gateway, tripped."""

from __future__ import annotations

import asyncio
import gzip
import math
import socket
from typing import Any

import pytest

from loom import Loom
from loom.errors import ConfigError
from loom.web import Gateway, Settings, _protocol
from tests.web.conftest import Capable, says
from tests.web.raw import CHAT, HI, Raw


def big(size: int) -> bytes:
    return b'{"model": "auto", "messages": [{"role": "user", "content": "' + b"x" * size + b'"}]}'


async def test_a_prompt_of_ten_megabytes_is_answered_where_it_fits(serve: Any) -> None:
    backend = Capable("chat", says)
    async with serve(backend, body=10_500_000) as gateway, Raw(gateway) as raw:
        status, _, _ = await raw.post(CHAT, big(10_000_000))
    assert status == 200
    assert len(backend.requests[0].input[0]["content"]) == 10_000_000  # type: ignore[index]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413_and_the_connection_goes_on(serve: Any, chunked: bool) -> None:
    async with serve(body=2000) as gateway, Raw(gateway) as raw:
        if chunked:
            raw.request("POST", CHAT, b"", "Transfer-Encoding: chunked", "Content-Type: application/json")
            for _ in range(3):
                raw.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
            raw.write("0\r\n\r\n")
        else:
            raw.request("POST", CHAT, big(3000))
        status, _, body = await raw.answer()
        assert (status, body["error"]["code"]) == (413, "too_large")
        assert (await raw.get("/healthz"))[0] == 200


async def test_a_body_without_end_is_not_read_for_ever(serve: Any) -> None:
    async with serve(body=2000) as gateway, Raw(gateway) as raw:
        raw.request("POST", CHAT, b"", "Content-Length: 100000000", "Content-Type: application/json")
        raw.write(b"x" * 20_000)
        status, _, _ = await raw.answer()
    assert status == 413


@pytest.mark.parametrize(
    "body", [b"\xff\xfe{}", b"{", b"[]", b"", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000]
)
async def test_a_body_that_is_no_json_object_is_400(serve: Any, body: bytes) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post(CHAT, body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


async def test_another_content_type_is_415(serve: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        for path in (CHAT, "/v1/audio/transcriptions"):
            status, _, _ = await raw.post(path, HI, "Content-Type: text/plain")
            assert status == 415


async def test_a_head_that_is_too_long_is_refused(serve: Any) -> None:
    async with serve() as gateway:
        for count, wanted in ((40, (431, "head_too_large")), (400, (400, "invalid_request"))):
            async with Raw(gateway) as raw:
                status, _, body = await raw.get("/v1/models", *(f"X-{n}: {'x' * 1000}" for n in range(count)))
                assert (status, body["error"]["code"]) == wanted


@pytest.mark.parametrize(
    "junk", ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/1.1\r\nHost localhost\r\n\r\n"]
)
async def test_what_is_no_http_is_refused(serve: Any, junk: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        raw.write(junk)
        status, _, body = await raw.answer()
        assert status == 400
        assert body["error"]["type"] == "invalid_request_error"


async def test_a_head_that_never_ends_is_cut_off(serve: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(_protocol, "HEAD_S", 0.05)
    async with serve() as gateway:
        for first in ("", "GET / HTTP/1.1\r\n"):
            async with Raw(gateway) as raw:
                raw.write(first)
                try:
                    await raw.reader.read()
                except ConnectionResetError:
                    pass
                assert raw.reader.at_eof() or raw.reader.exception()


async def test_a_body_that_does_not_come_is_408(serve: Any) -> None:
    async with serve(patience=0.05) as gateway, Raw(gateway) as raw:
        raw.request("POST", CHAT, b"", "Content-Length: 10", "Content-Type: application/json")
        status, _, _ = await raw.answer()
    assert status == 408


async def test_more_connections_than_there_may_be_are_refused(serve: Any) -> None:
    async with serve(connections=2) as gateway, Raw(gateway) as one, Raw(gateway) as two:
        assert (await one.get("/healthz"))[0] == (await two.get("/healthz"))[0] == 200
        async with Raw(gateway) as three:
            status, headers, _ = await three.answer()
            assert (status, headers["retry-after"]) == (503, "1")
        assert (await one.get("/healthz"))[0] == 200


async def test_more_requests_than_may_run_are_refused(serve: Any) -> None:
    backend = Capable("chat", lambda request: "late", delay=60)
    async with serve(backend, concurrency=1, drain=0.1) as gateway, Raw(gateway) as one, Raw(gateway) as two:
        one.request("POST", CHAT, big(1))
        while not backend.requests:
            await asyncio.sleep(0)
        status, headers, body = await two.post(CHAT, HI)
        assert (status, headers["retry-after"], body["error"]["code"]) == (503, "1", "overloaded")
        assert gateway.statistics()["running"] == 1


async def test_a_request_that_takes_too_long_is_504(serve: Any) -> None:
    backend = Capable("chat", lambda request: "late", delay=60)
    async with serve(backend, timeout=0.05) as gateway, Raw(gateway) as raw:
        status, _, _ = await raw.post(CHAT, HI)
    assert status == 504


async def test_a_port_that_is_taken_is_said(tmp_path: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        gateway = Gateway(Loom(), Settings(port=taken.getsockname()[1]), tmp_path)
        with pytest.raises(ConfigError, match="is taken by another program"):
            await gateway.start()


def test_settings_that_cannot_be_are_said() -> None:
    for wrong, said in (
        ({"host": "example.com"}, "host is an address"), ({"port": 70_000}, "port is a number"),
        ({"body": 1}, "body is at least"), ({"patience": 0}, "patience is more than 0"),
        ({"drain": math.nan}, "drain is 0 seconds or more"), ({"drain": -1}, "not -1"),
        ({"drain": math.inf}, "not inf"),
        ({"timeout": math.inf}, "timeout is more than 0"), ({"patience": math.nan}, "not nan"),
        ({"label": "secret"}, "no label"), ({"label": "private", "clearance": "public"}, "nothing could be sent"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            Settings(**wrong)  # type: ignore[arg-type]


async def test_what_is_nowhere_is_404_and_another_method_405(serve: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        assert (await raw.get("/v1/nothing"))[0] == 404
        status, headers, body = await raw.get(CHAT)
        assert (status, headers["allow"], body["error"]["code"]) == (405, "POST", "method_not_allowed")
        status, _, body = await raw.get("/v1/messages")
        assert (status, body["type"]) == (405, "error")


async def test_what_a_strangers_error_says_does_not_reach_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def quoting(request: Any) -> Any:
        raise RuntimeError(f"cannot answer {request.input!r}")

    async with serve(Capable("chat", quoting)) as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post(
            CHAT, b'{"model": "auto", "messages": [{"role": "user", "content": "xyzzy-42"}]}'
        )
    assert status == 500
    assert "RuntimeError at" in caplog.text
    assert "xyzzy-42" not in caplog.text + str(answer)


EMPTY = [{"role": "user", "content": " "}]
SYSTEM = [{"role": "system", "content": "Be brief"}]
ODD: Any = {"name": "a b", "parameters": {"type": "object"}, "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, {"messages": EMPTY}, "messages"), (CHAT, {"messages": SYSTEM}, "messages"),
        (CHAT, {"messages": [*EMPTY, *EMPTY], "stream": True}, "messages"),
        ("/v1/messages", {"messages": EMPTY, "max_tokens": 5}, "messages"),
        ("/v1/responses", {"input": ""}, "input"), ("/v1/responses", {"input": SYSTEM}, "input"),
        (CHAT, {**HI, "tools": [{"type": "function", "function": ODD}]}, "tools[0].function.name"),
        ("/v1/responses", {"input": "Hi", "tools": [{"type": "function", **ODD}]}, "tools[0].name"),
        ("/v1/messages", {**HI, "max_tokens": 5, "tools": [ODD]}, "tools[0].name"),
    ],
)  # fmt: skip
async def test_what_no_backend_would_take_is_the_clients_mistake(
    serve: Any, path: str, body: Any, field: str
) -> None:
    backend = Capable("chat", says)
    async with serve(backend) as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post(path, {"model": "auto", **body})
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")
    assert answer["error"].get("param", field) == field
    assert answer["error"]["message"].startswith(field)
    assert backend.requests == []


@pytest.mark.parametrize(
    "last", [{"role": "tool", "tool_call_id": "c", "content": ""}, {"role": "assistant", "content": "So"}]
)
async def test_a_conversation_may_end_with_an_empty_result_or_a_beginning(serve: Any, last: Any) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        messages = [*HI["messages"], last]
        assert (await raw.post(CHAT, {"model": "auto", "messages": messages}))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "BR", "deflate, gzip"])
async def test_a_compressed_body_is_415(serve: Any, encoding: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, answer = await raw.post(CHAT, gzip.compress(big(5)), f"Content-Encoding: {encoding}")
        assert (status, answer["error"]["code"]) == (415, "content_encoding")
        assert encoding in answer["error"]["message"]
        assert (await raw.post(CHAT, HI, "Content-Encoding: identity"))[0] == 200
