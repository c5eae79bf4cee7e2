"""A polled URL: told when it changes, with conditional requests, and back after every kind of trouble."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._feed import make_feed
from loom.adapters._http_client import Answer
from loom.adapters.http_poll import HttpPoll, Seen, feed_http, fingerprint, http_poll
from loom.errors import ConfigError, RemoteFailed
from loom.testing import Probe
from tests.adapters.fault_server import Asked, FaultServer, project, reply, says, server_context
from tests.adapters.heard import hearing

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)


def poll(server: FaultServer, **settings: Any) -> HttpPoll:
    feed = make_feed(server.url + "/data", ("http",), {})
    form = settings.get("format", "auto")
    return HttpPoll(
        "weather",
        "weather.now",
        feed_http(feed, 1.0, settings.get("limit", 1000)),
        feed.target.url,
        0.02,
        form,
    )


def json(text: str, **headers: str) -> bytes:
    return reply(200, text, content_type="application/json", **headers)


async def test_only_changes_are_told_and_the_order_of_members_is_none() -> None:
    answers = [json('{"a": 1, "b": 2}'), json('{"b": 2, "a": 1}'), json('{"a": 2}'), json('{"a": 2}')]
    async with FaultServer(says(*answers)) as server, hearing(poll(server)) as heard:
        await heard.until(lambda _: len(server.requests) > 6)
    assert heard.told == [("weather.now", {"a": 1, "b": 2}), ("weather.now", {"a": 2})]
    assert {str(fields["label"]) for fields in heard.fields} == {"public, untrusted"}


async def test_the_server_is_asked_for_changes_by_tag_and_date() -> None:
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    answers = [json("1", etag='"v1"', last_modified=date), reply(304), json("2", etag="bad\xe9"), json("2")]
    async with FaultServer(says(*answers)) as server, hearing(poll(server)) as heard:
        await heard.until(lambda _: len(server.requests) > 4)
    asked = [
        r.headers.get("if-none-match", "") + r.headers.get("if-modified-since", "") for r in server.requests
    ]
    assert asked[:4] == ["", f'"v1"{date}', f'"v1"{date}', ""]
    assert heard.payloads == [1, 2]


async def test_trouble_is_told_once_in_words_and_ends() -> None:
    async def reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    troubles = [
        says(reply(500)),
        says(reply(404)),
        reset,
        says(b"junk\r\n\r\n"),
        says(reply(200, "x" * 1001)),
        silent,
    ]
    for trouble in troubles:
        async with FaultServer(trouble) as server, hearing(poll(server)) as heard:
            await heard.until(lambda h: h.links)
            server.behaviour = says(json("1"))
            await heard.until(lambda h: h.told)
            assert heard.links[0].startswith("lost: ")
            assert heard.links[-1] == "found"


async def test_a_server_that_asks_for_peace_gets_it() -> None:
    async with FaultServer(says(reply(429, retry_after="1"))) as server, hearing(poll(server)) as heard:
        await heard.until(lambda h: h.links)
        await asyncio.sleep(0.3)
        assert len(server.requests) == 1
        assert heard.links == [f"lost: {server.url}/data answered 429"]


def test_formats() -> None:
    for form, told in (("auto", "[1"), ("text", "[1")):
        assert Seen().take(Answer(200, {"content-type": "application/json"}, b"[1", "u"), form) == (
            True,
            told,
        )
    with pytest.raises(RemoteFailed, match="no JSON"):
        Seen().take(Answer(200, {}, b"[1", "u"), "json")
    assert Seen().take(Answer(200, {}, b"\x00\x01", "u"), "auto") == (True, b"\x00\x01")
    with pytest.raises(RemoteFailed, match="304"):
        Seen().take(Answer(304, {}, b"", "u"), "auto")


@given(JSON)
def test_equal_contents_have_equal_fingerprints(value: Any) -> None:
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert fingerprint(value) == fingerprint(turned)
    assert fingerprint(value) != fingerprint([value])


def test_what_is_wrong_in_the_configuration_is_told_at_the_start() -> None:
    for settings in (
        {"interval": 0},
        {"format": "xml"},
        {"url": "ftp://x"},
        {"timeout": 0},
        {"headers": {"Authorization": "x"}},
    ):
        with pytest.raises(ConfigError):
            http_poll("p", **{"url": "http://x.org/", "topic": "t", **settings})  # type: ignore[arg-type]


async def test_one_block_of_a_project_file_polls(tmp_path: Path) -> None:
    async with FaultServer(says(json('{"t": 21}'))) as server:
        text = f'[sources.weather]\nuse = "http_poll"\nurl = "{server.url}/w"\ntopic = "weather.now"\ninterval = 0.1\n'
        loom = await project(tmp_path, text)
        probe = Probe(loom.bus, "weather.>")
        async with loom:
            events = await probe.wait(1)
        assert (events[0].topic, events[0].payload, events[0].source) == ("weather.now", {"t": 21}, "weather")


async def test_a_house_of_its_own_trust_is_polled_too(tmp_path: Path) -> None:
    context = await asyncio.to_thread(server_context, tmp_path)
    async with FaultServer(says(json("1")), context) as server:
        url = f"https://localhost:{server.port}/"
        for ca, link in ((None, "lost"), ("cert.pem", "found")):
            async with hearing(http_poll("p", tmp_path, url=url, topic="t", ca=ca)) as heard:
                await heard.until(lambda h: h.links)
            assert heard.links[0].startswith(link)


async def test_a_private_address_behind_a_name_needs_a_grant(tmp_path: Path) -> None:
    """localhost names the loopback; any other name that leads there has to be granted."""
    made = http_poll("p", url="http://localhost:1/", topic="t")
    assert made._http.rules.private is False
    async with FaultServer(says(json("1"))) as server:
        source = http_poll("p", url=f"http://localhost:{server.port}/", topic="t")
        async with hearing(source) as heard:
            await heard.until(lambda h: h.told)
