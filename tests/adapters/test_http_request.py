"""Requests: pinned addresses, redirects, limits and secrets, against a server that misbehaves."""

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._egress import parse_rules
from loom.adapters._http_client import Http, Limits, Request, _httpx
from loom.adapters._secrets import Credentials
from loom.adapters.http_request import HttpRequest, http_request
from loom.errors import ActionDenied, ConfigError, EgressRefused, MissingExtra, RemoteFailed, RemoteTooLarge
from tests.adapters.fault_server import Asked, FaultServer, project, reply, says, server_context

OK = reply(200, '{"a": 1}', content_type="application/json")


def sink(server: FaultServer, **settings: Any) -> HttpRequest:
    return http_request("http", allow=[f"127.0.0.1:{server.port}"], **{"timeout": 5, **settings})


async def ask(adapter: HttpRequest, url: str, **arguments: Any) -> Any:
    return await next(iter(adapter.actions())).function(url, **arguments)


async def test_json_text_and_bytes_come_back_as_what_they_are() -> None:
    answers = [
        OK,
        reply(404, "hé", content_type="text/plain"),
        reply(200, b"\x00\xff"),
        reply(200, "{", content_type="application/json"),
    ]
    async with FaultServer(says(*answers)) as server:
        adapter = sink(server)
        found = [await ask(adapter, server.url + "/x") for _ in answers]
    assert [(f["status"], f["kind"], f["body"]) for f in found] == [
        (200, "json", {"a": 1}), (404, "text", "hé"), (200, "bytes", b"\x00\xff"), (200, "text", "{"),
    ]  # fmt: skip


async def test_a_body_method_and_headers_arrive_and_the_host_is_the_name() -> None:
    async with FaultServer(says(OK)) as server:
        adapter = sink(server)
        await ask(adapter, server.url + "/p?q=1", method="post", headers={"X-One": "1"}, body={"a": [1]})
    asked = server.requests[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/p?q=1", b'{"a": [1]}')
    assert asked.headers["x-one"] == "1"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"


async def test_a_name_is_resolved_once_and_the_connection_goes_where_was_judged() -> None:
    """DNS rebinding: the second answer of a resolver that changes its mind is never asked for."""
    told: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        told.append(host)
        return ["127.0.0.1"] if len(told) == 1 else ["127.0.0.66"]

    async with FaultServer(says(OK)) as server:
        http = Http(parse_rules(["api.example.org"], private=True), resolve=resolve)
        answer = await http.fetch(Request(f"http://api.example.org:{server.port}/"))
    assert answer.status == 200
    assert told == ["api.example.org"]
    assert server.requests[0].headers["host"] == f"api.example.org:{server.port}"


async def test_a_name_that_leads_home_is_refused_before_anything_connects() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    async with FaultServer(says(OK)) as server:
        http = Http(parse_rules(["api.example.org"]), resolve=resolve)
        with pytest.raises(EgressRefused, match="loopback"):
            await http.fetch(Request(f"http://api.example.org:{server.port}/"))
    assert server.connections == 0


async def test_a_name_that_is_not_allowed_is_not_even_looked_up() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("asked")

    with pytest.raises(ActionDenied, match="allow-list"):
        await Http(parse_rules(["api.example.org"]), resolve=resolve).fetch(
            Request("http://other.example.org/")
        )


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.99", "127.0.0.1"]

    async with FaultServer(says(OK)) as server:
        http = Http(parse_rules(["two.example.org"], private=True), resolve=resolve)
        assert (await http.fetch(Request(f"http://two.example.org:{server.port}/"))).status == 200


async def test_redirects_are_followed_five_times_and_each_is_judged() -> None:
    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        number = int(asked.path[1:])
        writer.write(OK if not number else reply(302, location=f"/{number - 1}"))

    async with FaultServer(behave) as server:
        adapter = sink(server)
        assert (await ask(adapter, server.url + "/5"))["url"] == server.url + "/0"
        with pytest.raises(RemoteFailed, match="more than 5 times"):
            await ask(adapter, server.url + "/6")
        server.behaviour = says(reply(302, location="http://127.0.0.1:9/"))
        with pytest.raises(EgressRefused, match="redirects"):
            await ask(adapter, server.url)


async def test_a_redirect_to_another_origin_gets_no_credentials_and_no_body(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("E2_TOKEN", "s3cret")
    async with (
        FaultServer(says(OK)) as other,
        FaultServer(says(reply(303, location=other.url + "/to"))) as server,
    ):
        adapter = http_request(
            "http",
            allow=["127.0.0.1"],
            headers={"Authorization": "Bearer env:E2_TOKEN"},
            query={"token": "env:E2_TOKEN"},
        )
        await ask(adapter, server.url, method="POST", body="hello")
    assert server.requests[0].headers["authorization"] == "Bearer s3cret"
    assert server.requests[0].path == "/?token=s3cret"
    assert (other.requests[0].method, other.requests[0].path, other.requests[0].body) == ("GET", "/to", b"")
    assert "authorization" not in other.requests[0].headers


async def test_answers_over_the_limit_are_cut_whether_they_say_so_or_not() -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with FaultServer(says(reply(200, b"x" * 1001))) as server:
        adapter = sink(server, response_limit=1000)
        with pytest.raises(RemoteTooLarge, match="1,001 bytes"):
            await ask(adapter, server.url)
        server.behaviour = says(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001)
        with pytest.raises(RemoteTooLarge, match="more than the limit of 1,000"):
            await ask(adapter, server.url)
        server.behaviour = endless
        with pytest.raises(RemoteTooLarge, match="more than the limit of 1,000"):
            await ask(adapter, server.url)
        server.behaviour = says(reply(200, b"x" * 1000))
        assert len((await ask(adapter, server.url))["body"]) == 1000


async def test_a_request_over_the_limit_does_not_leave() -> None:
    async with FaultServer(says(OK)) as server:
        with pytest.raises(RemoteTooLarge):
            await ask(sink(server, request_limit=10), server.url, method="POST", body="x" * 11)
    assert server.connections == 0


async def test_compressed_answers_are_refused_because_nobody_knows_how_large_they_are() -> None:
    async with FaultServer(says(reply(200, b"\x1f\x8b", content_encoding="gzip"))) as server:
        with pytest.raises(RemoteFailed, match="compressed"):
            await ask(sink(server), server.url)
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_a_slow_first_byte_and_a_trickle_end_at_the_time_limit() -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def trickle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    for behaviour in (silent, trickle):
        async with FaultServer(behaviour) as server:
            with pytest.raises(RemoteFailed) as told:
                await ask(sink(server, timeout=0.3), server.url)
            assert told.value.retryable


async def test_resets_halves_and_nonsense_are_typed_errors_and_a_post_is_not_repeated() -> None:
    async def reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"
    behaviours = [
        reset,
        says(half),
        says(b"SSH-2.0-nonsense\r\n\r\n"),
        says(b""),
        says(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000),
    ]
    for behaviour in behaviours:
        async with FaultServer(behaviour) as server:
            with pytest.raises(RemoteFailed) as told:
                await ask(sink(server), server.url)
            assert told.value.retryable
            with pytest.raises(RemoteFailed) as told:
                await ask(sink(server), server.url, method="POST", body="x")
            assert not told.value.retryable, "it may have been done"


async def test_nobody_there_is_a_failure_that_may_be_tried_again() -> None:
    async with FaultServer(says(OK)) as server:
        pass
    with pytest.raises(RemoteFailed, match="ConnectError") as told:
        await ask(sink(server), server.url, method="POST", body="x")
    assert told.value.retryable


@pytest.mark.parametrize(
    ("headers", "says_what"),
    [
        ({"X": "a\r\nHost: evil"}, "not one line"),
        ({"X\r\n": "a"}, "no header name"),
        ({"Host": "evil"}, "set by the connection"),
        ({"Transfer-Encoding": "chunked"}, "set by the connection"),
        ({"authorization": "Bearer s3cret"}, "carries a secret"),
        ({"X": "é"}, "not one line"),
        ({"X": "y" * 20_000}, "over the limit"),
    ],
)
async def test_headers_in_which_something_hides_are_refused(headers: dict[str, str], says_what: str) -> None:
    async with FaultServer(says(OK)) as server:
        with pytest.raises(EgressRefused, match=says_what) as told:
            await ask(sink(server), server.url, headers=headers)
    assert "s3cret" not in str(told.value)
    assert server.connections == 0


async def test_methods_are_those_of_the_configuration() -> None:
    async with FaultServer(says(OK)) as server:
        adapter = sink(server, methods=["get"])
        await ask(adapter, server.url)
        with pytest.raises(EgressRefused, match="DELETE"):
            await ask(adapter, server.url, method="DELETE")
    with pytest.raises(ConfigError, match="'TRACE'"):
        http_request("http", methods=["TRACE"])


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(says(OK)) as proxy, FaultServer(says(OK)) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        await ask(sink(server), server.url)
    assert (proxy.connections, server.connections) == (0, 1)


async def test_secrets_are_in_no_log_and_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("E2_TOKEN", "s3cret")
    caplog.set_level(logging.DEBUG)
    settings = {"headers": {"Authorization": "env:E2_TOKEN"}, "query": {"token": "env:E2_TOKEN"}}
    told = []
    async with FaultServer(says(reply(500), reply(302, location="//evil/?x=1"), b"")) as server:
        adapter = sink(server, **settings)
        await ask(adapter, server.url)
        for _ in range(2):
            with pytest.raises(ActionDenied if not told else RemoteFailed) as error:
                await ask(adapter, server.url + "/?mine=s3cret")
            told.append(f"{error.value!r} {error.value}")
    assert server.requests[0].headers["authorization"] == "s3cret"
    assert "s3cret" not in caplog.text + "".join(told) + repr(adapter) + repr(adapter._http.credentials)
    assert adapter._http.credentials.hide("x s3cret y") == "x *** y"


def test_a_secret_is_not_written_into_the_project_file_but_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    file.chmod(0o600)
    assert Credentials({"Authorization": "Bearer file:token"}, home=tmp_path).headers == {
        "Authorization": "Bearer s3cret"
    }
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Credentials({"Authorization": "file:token"}, home=tmp_path)
    for headers, query in (
        ({"Authorization": "Bearer x"}, {}),
        ({}, {"api_key": "x"}),
        ({"X": "env:E2_UNSET"}, {}),
    ):
        with pytest.raises(ConfigError):
            Credentials(headers, query)
    os.environ["E2_LINES"] = "a\r\ns3cret: b"
    try:
        with pytest.raises(ConfigError, match="not one line") as told:
            Credentials({"X": "env:E2_LINES"})
    finally:
        del os.environ["E2_LINES"]
    assert "s3cret" not in str(told.value)


async def test_cancelling_a_request_closes_its_connection() -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with FaultServer(silent) as server:
        task = asyncio.create_task(ask(sink(server), server.url))
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_limits_that_limit_nothing_are_refused() -> None:
    for settings in ({"timeout": 0}, {"response_limit": 0}, {"request_limit": 2**40}):
        with pytest.raises(ConfigError):
            http_request("http", **settings)  # type: ignore[arg-type]
    assert Limits().redirects == 5


async def test_an_agent_asks_through_one_block_of_a_project_file(tmp_path: Path) -> None:
    async with FaultServer(says(OK)) as server:
        text = f'[actions.http]\nuse = "http_request"\nallow = ["127.0.0.1:{server.port}"]\n'
        loom = await project(tmp_path, text)
        async with loom:
            answer = await loom.call("http.get", url=server.url)
            assert answer["body"] == {"a": 1}
            with pytest.raises(EgressRefused):
                await loom.call("http.request", url="http://127.0.0.1:9/")


async def test_tls_is_checked_against_the_name_and_never_left_by_a_redirect(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    rules = parse_rules(["*.test"], private=True)
    context = await asyncio.to_thread(server_context, tmp_path)
    async with FaultServer(says(OK), context) as server:
        trusting = Http(rules, ca=tmp_path / "cert.pem", resolve=resolve)
        answer = await trusting.fetch(Request(f"https://broker.test:{server.port}/"))
        assert answer.status == 200
        assert server.requests[0].headers["host"] == f"broker.test:{server.port}"
        for http, host in ((trusting, "other.test"), (Http(rules, resolve=resolve), "broker.test")):
            with pytest.raises(RemoteFailed, match="ConnectError"):
                await http.fetch(Request(f"https://{host}:{server.port}/"))
        server.behaviour = says(reply(302, location=f"http://broker.test:{server.port}/"))
        with pytest.raises(EgressRefused, match="scheme 'http'"):
            await trusting.fetch(Request(f"https://broker.test:{server.port}/"))


async def test_httpx_serves_where_httpx2_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpcore
    import httpx

    assert httpcore
    httpx.AsyncHTTPTransport()
    monkeypatch.setitem(sys.modules, "httpx2", None)
    _httpx.cache_clear()
    try:
        async with FaultServer(says(OK, b"junk\r\n\r\n")) as server:
            adapter = sink(server)
            assert _httpx() is httpx
            assert (await ask(adapter, server.url))["body"] == {"a": 1}
            with pytest.raises(RemoteFailed):
                await ask(adapter, server.url)
    finally:
        _httpx.cache_clear()


def test_without_either_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.setitem(sys.modules, "httpx", None)
    _httpx.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"\[http\]"):
            http_request("http")
    finally:
        _httpx.cache_clear()
