"""add(): all of it or nothing, with a message that names the thing."""

from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, QoS, action, on, source
from loom.errors import Closed, ConfigError, SignatureError, StateError, UnknownAction
from loom.testing import new_loom, virtual_time


@action("tts.speak")
def speak(text: str) -> None: ...


class Fine(Agent):
    count: int = 0

    @on("a")
    async def go(self, event: Event, ctx: Context) -> None:
        ctx.act("tts.speak", text="x")


class Misspelt(Agent):
    @on("a")
    async def go(self, event: Event, ctx: Context) -> None:
        await ctx.call("tts.speek", text="x")


class NoRoom(Agent):
    @on("a", capacity=0)
    async def go(self, event: Event) -> None: ...


class Policy(Agent):
    @on("b")
    async def fine(self, event: Event) -> None: ...

    @on("a", qos=QoS.REALTIME, overflow="whatever")  # type: ignore[arg-type]
    async def go(self, event: Event) -> None: ...


class WrongState(Agent):
    thing: object = object()


class Stranger(Agent):
    def __init__(self) -> None:
        super().__init__()
        self.sock = 1


class Forgetful(Agent):
    count: int = 0

    def __init__(self) -> None:
        pass


def undecorated(event: Event) -> None: ...


@source("door")
async def door(out: Any) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (Misspelt, UnknownAction, r"Misspelt\.go uses no action 'tts\.speek'; did you mean 'tts\.speak'"),
        (NoRoom, ConfigError, r"'NoRoom\.go' must be a whole number of at least 1"),
        (Policy, ConfigError, r"no overflow policy 'whatever'"),
        (WrongState, StateError, r"WrongState\.thing"),
        (Stranger, StateError, r"Stranger\.sock is not declared"),
        (Forgetful, StateError, r"'count' has no value"),
        (undecorated, SignatureError, r"undecorated is not marked"),
        (Fine, ConfigError, r"already one called 'Fine'"),
        (door, ConfigError, r"already one called 'door'"),
        (42, SignatureError, r"42 cannot be added"),
    ],
    ids=str,
)
def test_nothing_of_a_call_is_added_when_one_thing_is_wrong(wrong: Any, error: type, message: str) -> None:
    loom = Loom()
    with pytest.raises(error, match=message):
        loom.add(speak, Fine, door, wrong)
    assert "tts.speak" not in loom.registry
    assert loom.bus.queues() == []
    assert loom.statistics().agents == {}
    assert loom.statistics().sources == {}
    loom.add(speak, Fine, door)
    assert list(loom.statistics().agents) == ["Fine"]


def test_an_agent_and_its_action_may_come_in_any_order_in_one_call() -> None:
    Loom().add(Fine, speak)
    with pytest.raises(UnknownAction):
        Loom().add(Fine).add(speak)


def test_a_name_is_for_one_thing_and_an_instance_is_one_agent() -> None:
    loom = Loom().add(speak)
    with pytest.raises(ConfigError, match="one thing at a time"):
        loom.add(Fine, Misspelt, name="x")
    instance = Fine()
    loom.add(instance, name="a")
    with pytest.raises(ConfigError, match="'b': this instance is an agent already"):
        loom.add(instance, name="b")
    loom.add(Fine, name="c")


@virtual_time
async def test_nothing_can_be_added_to_a_runtime_that_stops() -> None:
    async with new_loom(speak) as loom:
        pass
    with pytest.raises(Closed, match="cannot add 'Fine': the runtime is stopped"):
        loom.add(Fine)
    with pytest.raises(Closed, match="make a new Loom"):
        await loom.start()
    with pytest.raises(Closed, match="nothing is accepted"):
        await loom.publish("a")
