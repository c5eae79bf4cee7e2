"""The router over a real client and a server on loopback that misbehaves: what is asked, told, paid and left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from loom.errors import BackendFailed
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.privacy import Guard
from loom.router import Policy, Router
from tests.adapters.fault_server import Asked, Behaviour, FaultServer
from tests.adapters.model_server import (
    HI,
    KEY,
    asking,
    chunk,
    chunked,
    completion,
    says_json,
    says_stream,
    stream,
)
from tests.router.backends import FakeModel

Patch = pytest.MonkeyPatch
ASKED = ModelRequest("chat", "hello")
MAIL = "jane.doe@example.org"


@asynccontextmanager
async def routed(
    patch: Patch, behaviour: Behaviour, **more: Any
) -> AsyncIterator[tuple[Router, FaultServer]]:
    """A router over a poor local model and a cloud that behaves so."""
    settings = {"price": {"in": 1.0, "out": 2.0}, "quality": 0.9, "clearance": "sensitive", **more}
    async with asking(patch, behaviour, **settings) as (model, server):
        here = FakeModel("here", ["from here"], quality=0.1)
        router = Router([here, model], policy=Policy(hybrid="off"), guard=Guard(secrets=[KEY]))  # type: ignore[list-item]
        yield router, server
        assert [each.gate.running for each in router._backends.values()] == [0, 0]


async def test_an_answer_over_the_wire_is_measured_billed_and_explained(monkeypatch: Patch) -> None:
    async with routed(monkeypatch, says_json(completion())) as (router, _):
        reply = await router.ask(ASKED)
        assert (reply.backend, reply.model) == ("cloud", "m")
        assert reply.cost == pytest.approx((7 * 1.0 + 2 * 2.0) / 1e6)
        assert reply.total_ms > 0
        assert router.facts()[1].first_ms


async def test_too_many_requests_are_answered_here_and_the_server_is_left_alone(monkeypatch: Patch) -> None:
    async with routed(
        monkeypatch, says_json({"error": {"message": "slow down"}}, 429, retry_after="30")
    ) as made:
        router, server = made
        for _ in range(3):
            assert (await router.ask(ASKED)).backend == "here"
        assert len(server.requests) == 1
        assert router.statistics()["cloud"]["refused"] == {"breaker": 2}


@pytest.mark.parametrize("status", [401, 404, 500, 503])
async def test_a_refusing_server_leads_to_the_next(monkeypatch: Patch, status: int) -> None:
    async with routed(monkeypatch, says_json({"error": {"message": "no"}}, status)) as (router, _):
        assert (await router.ask(ASKED)).backend == "here"


async def test_a_server_that_hangs_up_before_an_item_leads_to_the_next_and_later_is_an_error(
    monkeypatch: Patch,
) -> None:
    async def nothing(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with routed(monkeypatch, nothing) as (router, _):
        items = [item async for item in router.stream(ASKED)]
        assert "".join(item["text"] for item in items) == "from here"
    async with routed(monkeypatch, says_stream(stream(chunk("Hi"), done=False))) as (router, _):
        with pytest.raises(BackendFailed):
            _ = [item async for item in router.stream(ASKED)]


async def test_who_stops_reading_hangs_up_on_the_server_and_pays(monkeypatch: Patch) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked(stream(chunk("Hi"), done=False))[: -len(b"0\r\n\r\n")])
        await writer.drain()
        await asyncio.get_running_loop().create_future()

    async with routed(monkeypatch, endless) as (router, server):
        items = router.stream(ASKED)
        assert (await anext(items))["text"] == "Hi"
        await items.aclose()
        async with asyncio.timeout(10):
            await server.left.wait()
        cloud = router.statistics()["cloud"]
        assert (cloud["cancelled"], cloud["done"]) == (1, 0)
        assert cloud["cost"] > 0


async def test_what_is_sensitive_is_on_the_wire_as_a_placeholder_only(monkeypatch: Patch) -> None:
    async def echo(asked: Asked, writer: asyncio.StreamWriter) -> None:
        said = json.loads(asked.body)["messages"][-1]["content"]
        await says_json(completion(f"you wrote: {said}"))(asked, writer)

    async with routed(monkeypatch, echo) as (router, server):
        request = ModelRequest("chat", f"write to {MAIL}", Label(Confidentiality.SENSITIVE), thread="t")
        reply = await router.ask(request)
        assert reply.output["text"] == f"you wrote: write to {MAIL}"  # type: ignore[index]
        assert MAIL.encode() not in server.requests[0].body
        private = ModelRequest("chat", f"write to {MAIL}", Label(Confidentiality.PRIVATE), thread="t")
        assert (await router.ask(private)).backend == "here"
        assert (await router.ask(ModelRequest("chat", "and now?", thread="t"))).backend == "here"
        assert len(server.requests) == 1


async def test_a_stream_over_the_wire_ends_with_its_bill(monkeypatch: Patch) -> None:
    async with routed(monkeypatch, says_stream(stream(*HI))) as (router, _):
        items = [item async for item in router.stream(ASKED)]
        assert "".join(item["text"] for item in items) == "Hi thére"
        assert items[-1]["backend"] == "cloud"
        assert items[-1]["cost"] == pytest.approx((7 * 1.0 + 2 * 2.0) / 1e6)
