"""How a backend is configured: what is checked, what is named, what is never shown, and what a project file says."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._model_settings import make_price
from loom.adapters.anthropic import anthropic
from loom.adapters.openai import openai
from loom.adapters.vllm import vllm
from loom.errors import ConfigError, MissingExtra, NoBackend
from loom.event import Confidentiality
from loom.models import Model, ModelRequest, Price
from loom.router.facts import facts_of
from loom.runtime._config_build import build
from loom.runtime.config import read_project
from tests.adapters.fault_server import FaultServer
from tests.adapters.model_server import KEY, SECRET, asking, chat, completion, says_json

Patch = pytest.MonkeyPatch
HOME = "http://127.0.0.1:9/v1"


def test_it_is_a_model_with_its_facts(monkeypatch: Patch) -> None:
    monkeypatch.setenv("MODEL_KEY", KEY)
    model = openai(
        "cloud", url="https://api.example.org/v1", key="env:MODEL_KEY", clearance="sensitive", quality=0.9,
        price={"million_in": 1, "million_out": 2}, context=9000, concurrency=3, tasks=["chat", "embed"],
    )  # fmt: skip
    assert isinstance(model, Model)
    facts = facts_of(model)
    assert (facts.name, facts.location, facts.clearance) == ("cloud", "cloud", Confidentiality.SENSITIVE)
    assert (facts.price, facts.quality, facts.context, facts.concurrency) == (Price(1, 2), 0.9, 9000, 3)
    assert (facts.tasks, facts.streams) == ({"chat", "embed"}, {"chat"})
    assert {"tools", "schema"} <= facts.features


def test_a_loopback_address_does_not_make_it_local() -> None:
    for make in (openai, anthropic, vllm):
        model = make("x", url=HOME)
        assert (model.location, model.clearance) == ("cloud", Confidentiality.PUBLIC)
        here = make("x", url=HOME, location="local")
        assert (here.location, here.clearance, here.price) == ("local", Confidentiality.LOCAL_ONLY, Price())
        assert make("x", url=HOME, location="edge").price is None


@pytest.mark.parametrize("make", [openai, anthropic, vllm])
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"key": "env:NOT_SET_AT_ALL"}, "env:NOT_SET_AT_ALL is not set"),
        ({"key": "file:/no/such/file"}, "/no/such/file cannot be read"),
        ({"key": KEY}, "env:NAME or file:PATH"),
        ({"headers": {"Authorization": KEY}}, "env:NAME or file:PATH"),
        ({"url": "ftp://x/v1"}, "url: scheme 'ftp'"),
        ({"url": "x/v1"}, "url"),
        ({"url": HOME + "?key=1"}, "url: leave out"),
        ({"url": "http://user:pw@127.0.0.1/"}, "user name"),
        ({"location": "moon"}, "location = 'moon'"),
        ({"clearance": "secret"}, "clearance = 'secret'"),
        ({"clearance": "local-only"}, "local-only data never leaves"),
        ({"clearance": "local-only", "location": "edge"}, "local-only data never leaves"),
        ({"price": 3}, "price = 3"),
        ({"price": {"million": 3}}, "price has no 'million'"),
        ({"price": {"call": -1}}, "call = -1"),
        ({"quality": 2}, "quality"),
        ({"context": 0}, "context"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout": 0}, "timeout"),
        ({"idle": -1}, "idle"),
        ({"allow": "x"}, "allow"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(make: Any, values: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        make("x", **{"url": HOME, **values})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("make", [openai, anthropic, vllm])
@pytest.mark.parametrize(
    "host",
    ["api.example.org", "192.168.1.2", "[fe80::1]", "127.example.org", "localhost.example.org", "0.0.0.0"],
)
def test_what_is_local_is_on_this_machine(make: Any, host: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine; use edge or cloud"):
        make("x", url=f"https://{host}/v1", location="local")
    for here in ("127.0.0.1", "127.1.2.3", "[::1]", "localhost", "LOCALHOST"):
        assert make("x", url=f"http://{here}:9/v1", location="local")


def test_settings_of_their_own_are_checked_too() -> None:
    for values, why in (({"dialect": "x"}, "llama-server"), ({"api": "x"}, "responses"), ({"tasks": ["fly"]}, "fly"),
                        ({"tasks": []}, "empty")):  # fmt: skip
        with pytest.raises(ConfigError, match=why):
            openai("x", url=HOME, **values)  # type: ignore[arg-type]


def test_a_key_is_not_sent_in_the_clear_over_the_internet(monkeypatch: Patch) -> None:
    monkeypatch.setenv("MODEL_KEY", KEY)
    for url in ("http://api.example.org/v1", "http://8.8.8.8/v1"):
        with pytest.raises(ConfigError, match="plain text"):
            openai("x", url=url, key="env:MODEL_KEY")
        assert openai("x", url=url)
        assert anthropic("x", url=url), "headers that are no secret may be seen"
        assert openai("x", url=url, key="env:MODEL_KEY", private=True)
    for url in (
        "https://api.example.org/v1",
        "http://localhost:1/v1",
        "http://192.168.1.2/v1",
        "http://[::1]:1/v1",
    ):
        assert openai("x", url=url, key="env:MODEL_KEY")


def test_a_key_of_a_file_is_private(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        openai("x", tmp_path, url=HOME, key="file:key")
    (tmp_path / "key").chmod(0o600)
    assert openai("x", tmp_path, url=HOME, key="file:key")


def test_what_is_missing_is_named_with_its_extra(monkeypatch: Patch) -> None:
    def missing() -> None:
        raise MissingExtra("http", "httpx")

    monkeypatch.setattr("loom.adapters._model_http._httpx", missing)
    with pytest.raises(MissingExtra, match="cloud"):
        openai("x", url=HOME)


def test_prices() -> None:
    assert make_price(None) is None
    assert make_price(0) == make_price(Price()) == Price()
    assert make_price({"second": 2}) == Price(second=2)
    assert make_price({"in": 1, "out": 2}) == make_price({"million_in": 1, "million_out": 2}) == Price(1, 2)
    with pytest.raises(ConfigError, match="twice"):
        make_price({"in": 1, "million_in": 2})


async def test_the_key_is_shown_nowhere(monkeypatch: Patch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(monkeypatch, says_json(completion())) as (model, server):
        await model.infer(chat())
        shown = [repr(model), repr(model.about), repr(model.peer), repr(vars(model)), str(model.statistics())]
        shown += [repr(vars(model._http)), repr(model._http.origin), repr(model._wires), caplog.text]
        assert not any(KEY in each or SECRET in each for each in shown)
        assert KEY in str(server.requests[0].headers)


async def test_a_task_that_is_not_its_own_is_refused(monkeypatch: Patch) -> None:
    async with asking(monkeypatch, says_json(completion())) as (model, server):
        with pytest.raises(NoBackend, match="does chat"):
            await model.infer(ModelRequest("embed", "x"))
        with pytest.raises(NoBackend, match="streams chat"):
            await anext(model.stream(ModelRequest("embed", "x")))
        assert server.requests == []


TABLES = """
[models.cloud]
use = "openai"
url = "{url}/v1"
model = "m"
key = "env:MODEL_KEY"
price = {{ million_in = 0.5, million_out = 1.5 }}
timeout = 5

[models.other]
use = "anthropic"
url = "{url}"
key = "file:key"

[models.vllm]
use = "vllm"
url = "{url}/v1"
location = "edge"
clearance = "private"
"""


async def test_a_project_file_names_them(monkeypatch: Patch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_KEY", KEY)
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    async with FaultServer(says_json(completion())) as server:
        (tmp_path / "loom.toml").write_text(TABLES.format(url=server.url))
        loom = await asyncio.to_thread(lambda: build(read_project(tmp_path / "loom.toml")))
        models = {model.name: model for model in loom.models}
        assert models["vllm"].clearance is Confidentiality.PRIVATE
        assert (await models["cloud"].infer(chat())).cost == pytest.approx(7 * 0.5e-6 + 2 * 1.5e-6)
        for model in models.values():
            await model.close()
