"""While a request is made ready to leave others have their turns; then time and labels are looked at again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from loom.errors import BackendTimeout, RouteRefused
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.privacy import Guard
from loom.testing import virtual_time
from tests.router.backends import SECRET, FakeGuard, FakeModel, Outbound, cloud, leftovers, new_router

ASKED = ModelRequest("chat", f"hello {SECRET}", thread="t")
SENSITIVE = Label(Confidentiality.SENSITIVE)
PRIVATE = Label(Confidentiality.PRIVATE)
LONG = "some ordinary words, 17 of them; " * 6_000


@dataclass
class SlowGuard(FakeGuard):
    """Takes *seconds* for each look."""

    seconds: float = 1.0

    async def redactable_in_turns(self, input: object, options: Mapping[str, object]) -> bool:
        return self.redactable(input, options)

    async def holds_secret_in_turns(self, input: object, options: Mapping[str, object]) -> bool:
        await asyncio.sleep(self.seconds)
        return self.holds_secret(input, options)

    async def outbound_in_turns(self, request: ModelRequest) -> Outbound:
        await asyncio.sleep(self.seconds)
        return self.outbound(request)


@virtual_time
@pytest.mark.parametrize("label", [Label(), SENSITIVE])
@pytest.mark.parametrize("stream", [False, True])
async def test_others_have_turns_while_a_long_request_is_made_ready_to_leave(
    label: Label, stream: bool
) -> None:
    far, turns = cloud(), 0
    router = new_router(far, guard=Guard(secrets=["Kr0nenberg"]))

    async def others() -> None:
        nonlocal turns
        while not far.requests:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    request = ModelRequest("chat", LONG, label=label)
    if stream:
        _ = [item async for item in router.stream(request)]
    else:
        await router.ask(request)
    await other
    assert turns >= 10
    assert far.requests[0].input == LONG


@virtual_time
async def test_what_is_redacted_when_its_time_is_over_is_not_sent() -> None:
    far = cloud()
    router = new_router(far, guard=SlowGuard(seconds=30))
    with pytest.raises(BackendTimeout, match="redaction took all of the request's time"):
        await router.ask(replace(ASKED, label=SENSITIVE, timeout=2))
    assert not far.requests
    assert leftovers(router) == []


@virtual_time
async def test_when_redaction_takes_too_long_a_local_backend_answers() -> None:
    far = cloud()
    router = new_router(far, FakeModel("here", quality=0.1), guard=SlowGuard(seconds=30))
    reply = await router.ask(replace(ASKED, label=SENSITIVE, timeout=8))
    assert reply.backend == "here"
    assert not far.requests


@virtual_time
@pytest.mark.parametrize("first", [Label(), SENSITIVE])
async def test_what_its_thread_sees_meanwhile_counts(first: Label) -> None:
    far = cloud()
    guard = SlowGuard()
    router = new_router(far, guard=guard)
    asking = asyncio.create_task(router.ask(replace(ASKED, label=first)))
    await asyncio.sleep(0.5)
    guard.label("t", PRIVATE)
    with pytest.raises(RouteRefused, match="private data is not sent to 'cloud'"):
        await asking
    assert not far.requests


@virtual_time
async def test_what_becomes_sensitive_meanwhile_is_redacted() -> None:
    far = cloud()
    guard = SlowGuard()
    router = new_router(far, guard=guard)
    asking = asyncio.create_task(router.ask(ASKED))
    await asyncio.sleep(0.5)
    guard.label("t", SENSITIVE)
    await asking
    assert far.requests[0].input == "hello [X]"
