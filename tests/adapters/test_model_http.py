"""Connections that stay: used again, noticed when stale, judged anew, bounded, and closed at once with who leaves."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._egress import parse_rules, parse_url
from loom.adapters._exchange import Bounds
from loom.adapters._model_call import Call
from loom.adapters._model_http import ModelHttp, Origin
from loom.adapters._secrets import Credentials
from loom.adapters.openai import openai
from loom.errors import BackendFailed, BackendTimeout, Closed
from loom.models import ModelReply, ModelRequest
from tests.adapters.fault_server import Asked, FaultServer, reply, server_context
from tests.adapters.model_server import (
    HI,
    JSON,
    KEY,
    asking,
    bound,
    chat,
    chunked,
    completion,
    says_bytes,
    says_json,
    stream,
    streamed,
)

Patch = pytest.MonkeyPatch
OK = reply(200, json.dumps(completion()), **JSON)


async def test_one_connection_serves_many_requests(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK), keep=True) as (model, server):
        for _ in range(5):
            assert (await model.infer(chat())).output["text"] == "Hi there"
        assert (len(server.requests), server.connections) == (5, 1)
        counts = model.statistics()
        assert (counts["opened"], counts["reused"], counts["stale"], counts["kept"]) == (1, 4, 0, 1)
    assert server.open == 0


async def settled(model: Any) -> None:
    """What is left of a stream has been read."""
    await asyncio.gather(*model._http._tasks)


async def test_a_stream_gives_its_connection_back_after_its_last_word(monkeypatch: Patch) -> None:
    content = chunked(stream(*HI), b": bye\n\n")
    async with asking(monkeypatch, says_bytes(content), keep=True) as (model, server):
        for _ in range(3):
            assert (await streamed(model))[-1]["done"]
            await settled(model)
        assert server.connections == 1


async def test_a_server_that_talks_on_after_the_last_word_loses_its_connection(monkeypatch: Patch) -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(stream(*HI)).removesuffix(b"0\r\n\r\n"))
        while not writer.is_closing():
            writer.write(b"400\r\n" + b":" * 1024 + b"\r\n")
            await writer.drain()

    async with asking(monkeypatch, behave, keep=True) as (model, server):
        assert (await streamed(model))[-1]["done"]
        await settled(model)
        await server.left.wait()
        assert model.statistics()["kept"] == 0


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK)) as (model, server):  # it closes after each answer
        for n in range(3):
            assert isinstance(await model.infer(chat()), ModelReply)
            await server.left.wait()
            server.left.clear()
            assert len(server.requests) == n + 1
        counts = model.statistics()
        assert (counts["opened"], counts["stale"], counts["reused"]) == (3, 2, 0), "each was judged anew"


def answers(*behaviours: Callable[[asyncio.StreamWriter], None]) -> Any:
    """One behaviour a request, in order."""
    left = list(behaviours)

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        left.pop(0)(writer)

    return behave


def good(writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


def gone(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()


def begun(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncon")
    writer.close()


@pytest.mark.parametrize("end", [gone, closed])
async def test_a_kept_connection_that_dies_before_a_byte_is_replaced_once(
    monkeypatch: Patch, end: Any
) -> None:
    async with asking(monkeypatch, answers(good, end, good), keep=True) as (model, server):
        await model.infer(chat())
        assert (await model.infer(chat())).output["text"] == "Hi there"
        assert (len(server.requests), server.connections) == (3, 2)
        assert model.statistics()["stale"] == 1


async def test_it_is_replaced_once_and_not_for_ever(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, answers(good, gone, gone, good), keep=True) as (model, server):
        await model.infer(chat())
        with pytest.raises(BackendFailed) as caught:
            await model.infer(chat())
        assert caught.value.retryable
        assert len(server.requests) == 3


async def test_what_was_answered_in_part_is_never_sent_again(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, answers(good, begun, good), keep=True) as (model, server):
        await model.infer(chat())
        with pytest.raises(BackendFailed):
            await model.infer(chat())
        assert len(server.requests) == 2


async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def waits(server: FaultServer, requests: int) -> None:
    """Until so many requests have come."""
    async with asyncio.timeout(10):
        while len(server.requests) < requests:
            await asyncio.sleep(0)


async def test_who_is_cancelled_hangs_up_at_once(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, silent) as (model, server):
        task = asyncio.create_task(model.infer(chat()))
        await waits(server, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await server.left.wait()


async def test_who_stops_reading_hangs_up_at_once(monkeypatch: Patch) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(stream(HI[0], done=False)).removesuffix(b"0\r\n\r\n"))
        await asyncio.Event().wait()

    async with asking(monkeypatch, endless) as (model, server):
        async with aclosing(model.stream(chat())) as items:
            assert await anext(items) == {"text": "Hi"}
        async with asyncio.timeout(5):
            await server.left.wait()
        assert model.statistics()["kept"] == 0


async def test_leaving_closes_a_connection_that_somebody_still_knows(monkeypatch: Patch) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(b"x").removesuffix(b"0\r\n\r\n"))
        await asyncio.Event().wait()

    async with asking(monkeypatch, endless) as (model, server):
        async with model._http.open(Call("/x", stream=True), 10) as exchange:
            chunks = exchange.chunks()
            assert await anext(chunks) == b"x"
        async with asyncio.timeout(5):
            await server.left.wait()
        await chunks.aclose()


async def test_places_are_bounded_and_who_waits_has_a_time(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, silent, concurrency=2) as (model, server):
        bound(model, waiting=3)
        tasks = [asyncio.create_task(model.infer(chat())) for _ in range(5)]
        await waits(server, 2)
        assert model.statistics()["waiting"] == 3
        with pytest.raises(BackendFailed, match="3 requests wait"):
            await model.infer(chat())
        for task in tasks[2:]:
            task.cancel()
        await asyncio.gather(*tasks[2:], return_exceptions=True)
        late = ModelRequest("chat", "x", timeout=0.05)
        with pytest.raises(BackendTimeout, match="waited"):
            await model.infer(late)
        assert (server.open, len(server.requests)) == (2, 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("timeout", [0, -1, float("-inf"), float("nan")])
async def test_what_is_too_late_is_not_sent(monkeypatch: Patch, timeout: float) -> None:
    async with asking(monkeypatch, says_bytes(OK)) as (model, server):
        with pytest.raises(BackendTimeout, match="nothing was sent"):
            await model.infer(ModelRequest("chat", "x", timeout=timeout))
        assert server.connections == 0
        assert (await model.infer(ModelRequest("chat", "x", timeout=float("inf")))).output[
            "text"
        ] == "Hi there"


def test_a_second_loop_finds_no_connection_of_the_first(monkeypatch: Patch) -> None:
    async def ask_twice() -> None:
        async with FaultServer(says_bytes(OK), keep=True) as server:
            model._http.origin = replace(model._http.origin, target=parse_url(server.url + "/v1"))
            model._http.origin = replace(model._http.origin, rules=parse_rules([f"127.0.0.1:{server.port}"]))
            for _ in range(2):
                assert (await model.infer(chat())).output["text"] == "Hi there"
            assert server.connections == 1
            for _, connection in model._http._kept:
                await connection.close()

    model = openai("x", url="http://127.0.0.1:9/v1", model="m", dialect="openai", concurrency=1)
    asyncio.run(ask_twice())
    asyncio.run(ask_twice())


async def test_the_wait_for_a_place_is_told(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK), keep=True, concurrency=1) as (model, server):
        first, second = await asyncio.gather(model.infer(chat()), model.infer(chat()))
        assert first.queue_ms < second.queue_ms <= second.total_ms
        assert server.connections == 1


async def test_idle_connections_are_closed_and_the_end_closes_all(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK), keep=True) as (model, server):
        await model.infer(chat())
        now = asyncio.get_running_loop().time()
        await model._http.expire(now)
        assert model.statistics()["kept"] == 1
        await model._http.expire(now + model._http.bounds.kept + 1)
        assert model.statistics()["kept"] == 0
        await server.left.wait()
        await model.infer(chat())
        await model.close()
        with pytest.raises(Closed):
            await model.infer(chat())


async def test_idle_connections_close_by_themselves(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK), keep=True) as (model, server):
        bound(model, kept=0.05)
        await asyncio.gather(*(model.infer(chat()) for _ in range(3)))
        async with asyncio.timeout(10):
            while server.open:
                server.left.clear()
                await server.left.wait()


class Names:
    """A name server that changes its mind."""

    def __init__(self) -> None:
        self.address, self.asked = "127.0.0.1", 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return [self.address]


def http_to(server: FaultServer, names: Names, **more: Any) -> ModelHttp:
    target = parse_url(f"http://model.test:{server.port}/v1")
    rules = parse_rules([f"model.test:{server.port}"], private=True)
    return ModelHttp("x", Origin(target, rules, Credentials(), resolve=names, **more), Bounds())


async def ask(http: ModelHttp) -> bytes:
    async with http.open(Call("/chat/completions", b"{}"), 10) as exchange:
        return await exchange.read()


async def test_the_address_is_judged_whenever_a_connection_is_opened() -> None:
    names = Names()
    async with FaultServer(says_json({"x": 1}), keep=True) as server:
        names.address = "169.254.169.254"
        http = http_to(server, names)
        with pytest.raises(BackendFailed, match="metadata") as caught:
            await ask(http)
        assert not caught.value.retryable
        names.address = "127.0.0.1"
        assert await ask(http) == await ask(http) == b'{"x": 1}'
        assert names.asked == 2, "a kept connection needs no name"
        assert server.requests[0].headers["host"] == f"model.test:{server.port}"
        await http.expire(float("inf"))
        names.address = "169.254.169.254"
        with pytest.raises(BackendFailed, match="metadata"):
            await ask(http)
        assert len(server.requests) == 2
        await http.close()


async def test_a_local_server_is_reached_on_this_machine_or_not_at_all() -> None:
    names = Names()
    async with FaultServer(says_json({"x": 1})) as server:
        for address, reached in (("127.0.0.1", True), ("192.0.2.1", False)):
            names.address = address
            http = http_to(server, names, here=True)
            if reached:
                assert await ask(http)
            else:
                with pytest.raises(BackendFailed, match="leads elsewhere") as caught:
                    await ask(http)
                assert not caught.value.retryable
            await http.close()


async def test_no_key_goes_in_the_clear_to_where_a_private_name_leads(monkeypatch: Patch) -> None:
    monkeypatch.setenv("MODEL_KEY", KEY)
    async with FaultServer(says_json({"x": 1})) as server:
        http = http_to(server, Names())
        key = Credentials({"authorization": "Bearer env:MODEL_KEY"})
        http.origin = replace(http.origin, credentials=key)
        assert await ask(http) == b'{"x": 1}'
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        await server.left.wait()
        monkeypatch.setattr("loom.adapters._model_http.classify", lambda address: "public")
        with pytest.raises(BackendFailed, match="plain text to a public address"):
            await ask(http)
        await http.close()


async def test_a_server_that_is_not_there_can_be_tried_again() -> None:
    async with FaultServer(silent) as server:
        pass
    http = http_to(server, Names())
    with pytest.raises(BackendFailed, match="cannot be connected to") as caught:
        await ask(http)
    assert caught.value.retryable
    await http.close()


async def test_no_proxy_and_no_cookie_is_used(monkeypatch: Patch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    answer = reply(200, json.dumps(completion()), set_cookie="a=b", **JSON)
    async with asking(monkeypatch, says_bytes(answer), keep=True) as (model, server):
        await model.infer(chat())
        await model.infer(chat())
        assert "cookie" not in server.requests[1].headers


async def test_tls_is_checked_against_the_name_and_kept(tmp_path: Path) -> None:
    context = await asyncio.to_thread(server_context, tmp_path)
    async with FaultServer(says_json({"x": 1}), context, keep=True) as server:
        for name, fits in (("broker.test", True), ("other.test", False)):
            target = parse_url(f"https://{name}:{server.port}/v1")
            rules = parse_rules([name], private=True)
            origin = Origin(target, rules, Credentials(), tmp_path / "cert.pem", Names())
            http = ModelHttp("x", origin)
            if fits:
                assert await ask(http) == await ask(http) == b'{"x": 1}'
                assert server.connections == 1
            else:
                with pytest.raises(BackendFailed, match="certificate"):
                    await ask(http)
            await http.close()
        assert len(server.requests) == 2


async def test_ten_megabytes_are_sent_whole_and_too_much_is_refused(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK)) as (model, server):
        text = "Grüße " * 1_500_000
        await model.infer(chat(text))
        assert json.loads(server.requests[0].body)["messages"][0]["content"] == text
        bound(model, request=1_000_000)
        with pytest.raises(BackendFailed, match="over the limit of 1,000,000"):
            await model.infer(chat(text))
        assert len(server.requests) == 1


async def test_half_characters_are_marked_and_bytes_refused(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_bytes(OK)) as (model, server):
        await model.infer(chat("a\udcffb \ud83d\ude00 \0c"))
        assert json.loads(server.requests[0].body)["messages"][0]["content"] == "a\ufffdb \U0001f600 c"
        with pytest.raises(Exception, match="not bytes"):
            await model.infer(chat(b"\xff"))
