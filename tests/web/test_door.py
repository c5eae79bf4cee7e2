"""Who comes in: no pages, no other names, no strangers, and nobody but this machine without keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom import Loom
from loom.errors import ConfigError
from loom.web import Gateway, KeyFile, Settings, new_client
from loom.web.client import Client
from loom.web.door import Door, single
from loom.web.keys import Ring
from loom.web.refusal import Refusal
from tests.web.raw import CHAT, HI, Raw


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_without_keys_it_listens_on_loopback_only_and_says_how(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="loom gateway key NAME"):
        Gateway(Loom(), Settings(host=host), tmp_path)
    KeyFile(tmp_path / "gateway-keys.json").add(new_client("a"))
    Gateway(Loom(), Settings(host=host), tmp_path)


def test_a_file_of_keys_without_keys_does_not_open_other_addresses(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "gateway-keys.json")
    file.add(new_client("a"))
    file.remove("a")
    with pytest.raises(ConfigError, match="there is no key"):
        Gateway(Loom(), Settings(host="0.0.0.0"), tmp_path)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "gateway"]
)
async def test_another_name_is_not_answered(serve: Any, host: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, body = await raw.get("/v1/models", host=host)
    assert (status, body["error"]["code"]) == (421, "host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:99", "my.home"])
async def test_addresses_and_names_that_are_allowed_are_answered(serve: Any, host: str) -> None:
    async with serve(hosts=("my.home",)) as gateway, Raw(gateway) as raw:
        status, _, _ = await raw.get("/v1/models", host=host)
    assert status == 200


@pytest.mark.parametrize(
    "header", ["Origin: https://evil.example", "Origin: null", "Origin: http://127.0.0.1", "Sec-Fetch-Site: cross-site",
               "Sec-Fetch-Site: same-site"]
)  # fmt: skip
async def test_pages_do_not_reach_it(serve: Any, header: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        for method in ("GET", "POST", "OPTIONS"):
            raw.request(method, CHAT, b"{}" if method == "POST" else b"", header)
            status, headers, body = await raw.answer()
            assert (status, body["error"]["code"]) == (403, "origin")
            assert not [name for name in headers if name.startswith("access-control")]


async def test_a_page_that_is_allowed_reaches_it(serve: Any) -> None:
    async with serve(origins=("https://my.home",)) as gateway, Raw(gateway) as raw:
        raw.request("OPTIONS", CHAT, b"", "Origin: https://my.home", "Access-Control-Request-Method: POST")
        status, headers = await raw.head()
        assert (status, headers["access-control-allow-origin"]) == (204, "https://my.home")
        status, headers, _ = await raw.post(CHAT, HI, "Origin: https://my.home", "Sec-Fetch-Site: cross-site")
        assert (status, headers["access-control-allow-origin"]) == (200, "https://my.home")
        status, _, _ = await raw.get("/v1/models", "Origin: https://my.home.evil.example")
        assert status == 403


@pytest.mark.blocks("the test writes a file of keys")
async def test_where_there_is_a_key_everybody_needs_one(serve: Any, tmp_path: Path) -> None:
    key = KeyFile(tmp_path / "gateway-keys.json").add(new_client("a"))
    async with serve() as gateway, Raw(gateway) as raw:
        for more in (
            [],
            ["Authorization: Bearer nonsense"],
            ["Authorization: Bearer"],
            [f"Authorization: Basic {key}"],
        ):
            status, headers, body = await raw.get("/v1/models", *more)
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert body["error"]["type"] == "authentication_error"
        status, _, body = await raw.post("/v1/messages", {})
        assert (status, body["type"], body["error"]["type"]) == (401, "error", "authentication_error")
        assert (await raw.get("/v1/models", f"Authorization: Bearer {key}"))[0] == 200
        assert (await raw.get("/v1/models", f"X-Api-Key: {key}"))[0] == 200
        assert (await raw.get("/healthz"))[0] == 200


@pytest.mark.blocks("the test writes a file of keys")
async def test_a_key_is_nowhere_in_answers_or_logs(serve: Any, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    key = KeyFile(tmp_path / "gateway-keys.json").add(new_client("a"))
    async with serve() as gateway, Raw(gateway) as raw:
        answers = [await raw.get(f"/v1/models?key={key}", f"Authorization: Bearer {key}x")]
        answers.append(await raw.get(f"/v1/nothing?key={key}", f"Authorization: Bearer {key}"))
        answers.append(await raw.post(CHAT, HI, f"Authorization: Bearer {key}", f"x-loom-label: {key}"))
    assert key not in str(answers[:2])
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("loom", "uvicorn"))]
    assert [line for line in ours if "/v1/models" in line] == ["- GET /v1/models 401"]
    assert [line for line in ours if "/v1/nothing" in line] == ["a GET /v1/nothing 404"]
    assert not any(key in line for line in ours)


@pytest.mark.parametrize("name", ["Host", "Authorization", "Origin"])
async def test_a_header_that_counts_stands_once(serve: Any, name: str) -> None:
    async with serve() as gateway, Raw(gateway) as raw:
        status, _, _ = await raw.get("/v1/models", f"{name}: localhost", f"{name}: evil")
    assert status in (400, 403)


origins = st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"), min_size=1)
hosts = st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"))


@given(origins)
def test_no_origin_gets_in_that_is_not_named(origin: str) -> None:
    door = Door(origins=("https://my.home",), anybody=Client())
    if origin != "https://my.home":
        with pytest.raises(Refusal):
            door.check_place({b"host": b"localhost", b"origin": origin.encode("latin-1")})


@given(hosts)
def test_no_name_gets_in_that_is_not_ours(host: str) -> None:
    import ipaddress

    try:
        Door().check_place({b"host": host.encode("latin-1")})
    except Refusal:
        return
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    assert name.rstrip(".").lower() == "localhost" or ipaddress.ip_address(name.rstrip("."))


@given(st.lists(st.tuples(st.sampled_from([b"host", b"x"]), st.binary(max_size=3)), max_size=4))
def test_twice_is_refused_or_the_same_for_everybody(headers: Any) -> None:
    names = [name for name, _ in headers]
    if names.count(b"host") > 1:
        with pytest.raises(Refusal):
            single(headers)
    else:
        assert set(single(headers)) == set(names)


def test_nobody_comes_in_without_a_key_where_one_is_needed() -> None:
    door = Door(anybody=Client())
    assert door.admit({}, Ring()) == Client()
    with pytest.raises(Refusal):
        door.admit({}, Ring({}, needed=True))
    with pytest.raises(Refusal):
        Door().admit({}, Ring())
