"""What was never sent is billed by nobody and may go to another backend; so may what one server alone did wrong."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from loom.adapters.openai import openai
from loom.errors import BackendFailed
from loom.models import ModelRequest
from loom.router import Router
from loom.router.budget import Budgets, Payer
from loom.router.policy import Policy
from tests.adapters.fault_server import Behaviour, reply
from tests.adapters.model_server import JSON, asking, bound, completion, says_bytes, says_json
from tests.router.backends import FakeModel

LIMIT = {"all": {"money": 1.0, "tokens": 100_000, "calls": 50}}
PRICE = {"in": 100.0, "out": 100.0}
ASKED = ModelRequest("chat", "hello", timeout=30.0)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The URL of a port that is taken, and at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("model", ["m", ""])
async def test_a_server_that_cannot_be_reached_takes_nothing_from_a_budget(
    nowhere: str, model: str, streams: bool
) -> None:
    budgets = Budgets(LIMIT)
    router = Router([openai("far", url=nowhere, model=model, price=PRICE, quality=0.9)], budgets=budgets)
    with pytest.raises(BackendFailed, match="cannot be connected to") as caught:
        await (anext(router.stream(ASKED)) if streams else router.ask(ASKED))
    assert not caught.value.sent
    assert budgets.remaining(Payer(), 0) == (1.0, 100_000, 50, None, "all")
    assert router.statistics()["far"]["cost"] == 0.0
    await router.close()


async def test_a_name_that_leads_nowhere_takes_nothing_and_another_is_asked() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["10.0.0.1"]  # a public name that leads into the house

    far = openai("far", url="https://api.example.org/v1", model="m", price=PRICE, quality=0.9)
    far._http.origin = far._http.origin.__class__(
        far._http.origin.target, far._http.origin.rules, far._http.origin.credentials, resolve=resolve
    )
    budgets = Budgets(LIMIT)
    router = Router([far, FakeModel("here", quality=0.1)], budgets=budgets, policy=Policy(hybrid="off"))
    assert (await router.ask(ASKED)).backend == "here"
    assert budgets.remaining(Payer(), 0).calls == 49
    await router.close()


async def test_what_waits_in_vain_for_a_connection_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asking(monkeypatch, says_json(completion())) as (model, server):
        bound(model, waiting=0)
        for request in (ASKED, ModelRequest("chat", "hello", timeout=0.0)):
            with pytest.raises(BackendFailed) as caught:
                await model.infer(request)
            assert not caught.value.sent
        bound(model, request=10)
        with pytest.raises(BackendFailed, match="over the limit of 10") as caught:
            await model.infer(ASKED)
        assert (caught.value.sent, caught.value.retryable) == (False, False)
        assert server.requests == []


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        (says_bytes(reply(200, gzip.compress(b"{}"), **JSON, content_encoding="gzip")), {}),
        (says_json({**completion(), "model": "another"}), {"strict": True}),
        (says_json({"padding": "x" * 5_000}), {}),
        (says_bytes(reply(302, b"", location="http://elsewhere.example/")), {}),
    ],
    ids=["compressed", "another model", "too large", "redirect"],
)
async def test_what_one_server_does_wrong_is_no_reason_not_to_ask_the_next(
    monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, settings: dict[str, Any]
) -> None:
    async with asking(monkeypatch, behaviour, quality=0.9, price=0, **settings) as (model, server):
        bound(model, response=4_000)
        router = Router([model, FakeModel("here", quality=0.1)], policy=Policy(hybrid="off"))
        assert (await router.ask(ASKED)).backend == "here"
        assert [asked.method for asked in server.requests].count("POST") == 1
