"""A loop of tools through the real router: private results stay here, budgets and redaction hold in its middle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loom import Confidentiality, Event, Label, action
from loom.errors import RouteRefused
from loom.models.price import FREE
from loom.testing import new_loom, virtual_time
from tests.agent.lights import House, Script, ask, butler, calls, says, use


class Cloud(Script):
    location = "cloud"
    clearance = Confidentiality.PUBLIC
    price = FREE
    quality = 0.95


class Local(Script):
    quality = 0.1


def diary(confidentiality: Confidentiality) -> Any:
    @action("diary.read")
    async def read() -> Event:
        return Event("page", "I buried the gold", topic="diary.page", label=Label(confidentiality))

    return read


def texts(model: Script) -> str:
    return repr([(each.input, each.options) for each in model.asked])


@pytest.mark.parametrize("label", [Confidentiality.PRIVATE, Confidentiality.LOCAL_ONLY])
@virtual_time
async def test_what_a_tool_told_that_is_private_never_leaves(label: Confidentiality) -> None:
    cloud, local = (
        Cloud(calls(use("diary.read")), name="cloud"),
        Local(says("It is about gold."), name="local"),
    )
    loom = new_loom(diary(label), butler(actions=["diary.*"])).add_model(cloud).add_model(local)
    async with loom:
        answer = await ask(loom, "what is in my diary?")
    assert answer["text"] == "It is about gold."
    assert (len(cloud.asked), len(local.asked)) == (1, 1), "the question was public, the answer to it was not"
    assert "gold" not in texts(cloud)
    assert "gold" in texts(local)


@virtual_time
async def test_without_a_place_for_it_the_loop_ends_as_refused() -> None:
    cloud = Cloud(calls(use("diary.read")), says("never"), name="cloud")
    async with new_loom(diary(Confidentiality.LOCAL_ONLY), butler(actions=["diary.*"])).add_model(
        cloud
    ) as loom:
        with pytest.raises(RouteRefused):
            await ask(loom, "what is in my diary?")
    assert len(cloud.asked) == 1


@virtual_time
async def test_only_a_backend_that_knows_tools_is_asked_to_use_them() -> None:
    class Plain(Local):
        features = frozenset()
        quality = 0.99

    plain, able = Plain(says("x"), name="plain"), Local(says("y"), name="able")
    loom = new_loom(*House().actions(), butler(actions=["light.*"])).add_model(plain).add_model(able)
    async with loom:
        assert (await ask(loom))["text"] == "y"
    assert plain.asked == []


@virtual_time
async def test_a_cloud_that_sees_placeholders_calls_tools_with_what_they_stand_for() -> None:
    sent: list[str] = []

    @action("book.find")
    async def find(who: str) -> Event:
        text = f"{who}: ada.lovelace@example.org, +49 30 901820"
        return Event("entry", text, topic="book.entry", label=Label(Confidentiality.SENSITIVE))

    @action("mail.send")
    async def send(to: str) -> str:
        sent.append(to)
        return f"sent to {to}"

    class Cleared(Cloud):
        clearance = Confidentiality.SENSITIVE

    def write(request: Any) -> Any:
        entry = json.loads(request.input[-1]["content"])["payload"]
        return calls(use("mail.send", to=entry.split(": ")[1].split(",")[0]))

    cloud = Cleared(
        calls(use("book.find", who="Ada")), write, lambda request: says(request.input[-1]["content"])
    )
    async with new_loom(find, send, butler(actions=["book.*", "mail.*"])).add_model(cloud) as loom:
        answer = await ask(loom, "write to Ada")
    assert sent == ["ada.lovelace@example.org"]
    assert answer["text"] == "sent to ada.lovelace@example.org"
    assert "lovelace" not in texts(cloud)
    assert "901820" not in texts(cloud)
    assert len(cloud.asked) == 3
