"""Approvals: a question is an event, the answer too, and silence is a no."""

import asyncio
from typing import Any

import pytest

from loom import Agent, Context, Event, Retry, action, on
from loom.errors import ActionDenied
from loom.testing import Probe, new_loom, run_until_idle, virtual_time


def door(log: list[str], **options: Any) -> Any:
    @action("door.open", **options)
    def open_door(who: str) -> str:
        log.append(who)
        return "open"

    return open_door


class Porter(Agent, retry=Retry(attempts=1)):
    @on("knock")
    async def knock(self, event: Event, ctx: Context) -> None:
        ctx.act("door.open", who=event.payload)


@virtual_time(seeds=3)
async def test_an_act_waits_for_the_answer_to_its_question() -> None:
    log: list[str] = []
    async with new_loom(door(log, approval="ask"), Porter) as loom:
        asked, answered = (
            Probe(loom.bus, "loom.approval.requested"),
            Probe(loom.bus, "loom.approval.answered"),
        )
        await loom.publish("knock", "ada", scope="turn")
        (question,) = await asked.wait(1)
        assert question.payload["capability"] == "door.open"
        assert question.payload["agent"] == "Porter"
        assert question.payload["arguments"] == {"who": "ada"}
        assert log == []
        assert loom.approve(question.payload["id"])
        assert not loom.approve(question.payload["id"]), "answered already"
        await loom.idle()
        assert log == ["ada"]
        assert answered.payloads == [{"id": question.payload["id"], "allow": True}]
        assert not loom.approve("approval-999")


@virtual_time
async def test_no_and_silence_deny() -> None:
    log: list[str] = []
    async with new_loom(door(log), approvals={"door.open": "ask"}, approval_timeout=20) as loom:
        asked = Probe(loom.bus, "loom.approval.requested")
        call = asyncio.create_task(loom.call("door.open", who="eve"))
        await asked.wait(1)
        loom.approve(asked.payloads[0]["id"], allow=False)
        with pytest.raises(ActionDenied, match="somebody said no"):
            await call
        began = asyncio.get_running_loop().time()
        with pytest.raises(ActionDenied, match="nobody approved it in time"):
            await loom.call("door.open", who="mallory")
        assert asyncio.get_running_loop().time() - began == 20
        assert log == []
        assert loom.statistics().actions["denied"] == 2
        assert loom.approvals.pending() == []


@virtual_time(seeds=3)
async def test_a_question_ends_with_its_scope() -> None:
    log: list[str] = []
    async with new_loom(door(log, approval="ask"), Porter) as loom:
        asked = Probe(loom.bus, "loom.approval.requested")
        await loom.publish("knock", "ada", scope="turn")
        await asked.wait(1)
        loom.cancel("turn")
        await run_until_idle(loom)
        assert loom.approvals.pending() == []
        assert not loom.approve(asked.payloads[0]["id"])
        assert log == []


@virtual_time
async def test_an_agent_can_answer() -> None:
    log: list[str] = []

    class Guard(Agent):
        @on("loom.approval.requested")
        async def judge(self, event: Event) -> None:
            loom.approve(event.payload["id"], event.payload["arguments"]["who"] == "ada")

    async with new_loom(door(log, approval="ask"), Porter, Guard) as loom:
        await loom.publish("knock", "ada")
        await loom.publish("knock", "eve")
        await loom.idle()
        assert log == ["ada"]


@virtual_time
async def test_deny_never_asks() -> None:
    log: list[str] = []
    async with new_loom(door(log), Porter, approvals={"door.open": "deny"}) as loom:
        asked = Probe(loom.bus, "loom.approval.>")
        await loom.publish("knock", "ada")
        await loom.idle()
        assert (log, asked.events) == ([], [])


def test_an_unknown_policy_is_refused_when_the_runtime_is_made() -> None:
    from loom import Loom

    with pytest.raises(ValueError, match="maybe"):
        Loom(approvals={"door.open": "maybe"})
