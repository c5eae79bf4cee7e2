"""The router of a runtime: made once, told by its decisions, and traced to the events behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loom import Agent, Context, Event, Loom, on
from loom.errors import BudgetExceeded, ConfigError, Deferred
from loom.event import Confidentiality, Label
from loom.journal.notes import DECIDED
from loom.models import ModelReply, ModelRequest, Price, Route
from loom.router import Policy
from loom.telemetry import Observer
from loom.testing import Probe, new_loom, virtual_time


class Fake:
    """A backend that answers with its name."""

    tasks = frozenset({"chat"})
    streams = frozenset({"chat"})

    def __init__(self, name: str, location: str = "local", **facts: Any) -> None:
        self.name, self.location = name, location
        self.asked: list[ModelRequest] = []
        vars(self).update(facts)

    async def infer(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        return ModelReply({"text": self.name}, self.name, 0.0, 1.0)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        self.asked.append(request)
        yield {"text": self.name}
        yield {"text": "", "done": True}

    async def close(self) -> None:
        pass

    def statistics(self) -> Mapping[str, object]:
        return {}


def cloud(name: str = "far", **facts: Any) -> Fake:
    """A backend elsewhere, cleared for private data, at a known price."""
    return Fake(name, "cloud", **{"clearance": Confidentiality.PRIVATE, "price": Price(1, 1), **facts})


class Asker(Agent):
    said: str = ""

    @on("ask")
    async def ask(self, event: Event, ctx: Context) -> None:
        self.said = (await ctx.ask("chat", event.payload))["text"]


async def test_what_an_agent_asks_says_for_whom_and_because_of_what() -> None:
    here = Fake("here")
    async with Loom().add(Asker).add_model(here) as loom:
        metadata = {"subject": "maria"}
        event = await loom.publish("ask", "hello", thread="t1", scope="s1", metadata=metadata)
        await loom.idle()
    request = here.asked[0]
    told = (request.thread, request.scope, request.agent, request.user, request.event)
    assert told == ("t1", "s1", "Asker", "maria", event.id)


async def test_a_decision_is_an_event_that_its_step_caused() -> None:
    async with Loom().add(Asker).add_model(Fake("here")) as loom:
        probe = Probe(loom.bus, "loom.router.*")
        event = await loom.publish("ask", "hello", thread="t1", label=Label(Confidentiality.PRIVATE))
        await loom.idle()
        decided = next(each for each in probe.events if each.topic == "loom.router.decision")
        outcome = next(each for each in probe.events if each.topic == "loom.router.outcome")
        assert decided.payload["order"] == ["here"]
        assert (decided.cause, decided.thread, decided.hop) == (event.id, "t1", event.hop + 1)
        assert decided.label == Label()  # it says nothing of what was asked
        assert "hello" not in str(decided.payload)
        assert outcome.payload["decision"] == decided.payload["id"]
        assert loom.router.decisions(decided.payload["id"]).route is Route.LOCAL


async def test_whoever_listens_to_decisions_and_asks_a_model_does_not_do_so_for_ever() -> None:
    count = 0

    @on("loom.router.decision")
    async def again(event: Event, ctx: Context) -> None:
        nonlocal count
        count += 1
        await ctx.ask("chat", "why?")

    async with Loom().add(again).add_model(Fake("here")) as loom:
        await loom.ask("chat", "hello")
        await loom.idle()
    assert 2 <= count <= 33


async def test_observers_hear_who_was_chosen() -> None:
    heard: list[tuple[str, str, str]] = []

    class Watcher(Observer):
        def decided(self, task: str, backend: str, reason: str) -> None:
            heard.append((task, backend, reason))

    async with Loom().add_model(Fake("here")) as loom:
        loom.observers.attach(Watcher())
        await loom.ask("chat", "hello")
    assert [each[:2] for each in heard] == [("chat", "here")]
    assert heard[0][2]


async def test_a_reply_says_what_it_cost_and_why_it_came_from_there() -> None:
    async with Loom().add_model(Fake("here")) as loom:
        reply = await loom.infer(ModelRequest("chat", "hello", options={"route": "local"}))
    assert reply.backend == "here"
    assert reply.decision is not None
    assert reply.decision.rule == "route"


async def test_the_policy_is_set_while_it_runs_and_a_request_may_name_its_own() -> None:
    here, far = Fake("here", quality=0.4), cloud()
    async with Loom().add_model(here).add_model(far) as loom:
        assert (await loom.ask("chat", "one"))["text"] == "far"
        loom.router.policy = Policy(threshold=0.3)
        assert (await loom.ask("chat", "two"))["text"] == "here"
        assert (await loom.ask("chat", "three", profile="best"))["text"] == "far"
        assert (await loom.ask("chat", "four", profile="private"))["text"] == "here"
        with pytest.raises(ConfigError, match="did you mean 'private'"):
            await loom.ask("chat", "five", profile="privat")


async def test_a_model_that_is_added_later_is_asked_and_what_was_decided_before_is_remembered() -> None:
    async with Loom().add_model(Fake("here", quality=0.4)) as loom:
        await loom.ask("chat", "one")
        loom.add_model(cloud())
        assert (await loom.ask("chat", "two"))["text"] == "far"
        assert [each.order[0] for each in loom.router.decisions] == ["here", "far"]


async def test_what_may_not_be_answered_here_and_nowhere_else_is_deferred() -> None:
    async with Loom().add_model(Fake("here", quality=0.4)) as loom:
        loom.router.policy = Policy(without_cloud="defer")
        with pytest.raises(Deferred, match=r"expected quality 0\.40"):
            await loom.ask("chat", "one")


async def test_a_bound_that_is_no_number_is_told_to_whoever_asks() -> None:
    async with Loom().add_model(Fake("here")) as loom:
        for wrong in ({"max_cost": "1"}, {"max_cost": -1}, {"min_quality": 2}, {"max_cost": float("nan")}):
            with pytest.raises(ConfigError, match=next(iter(wrong))):
                await loom.ask("chat", "one", **wrong)


async def test_why_tells_of_a_decision_and_of_the_event_behind_it() -> None:
    async with Loom(causes=True).add(Asker).add_model(Fake("here")) as loom:
        event = await loom.publish("ask", "hello")
        await loom.idle()
        decision = next(iter(loom.router.decisions))
        why = await loom.why(decision.id)
        assert why.found
        assert why.subject is not None
        assert why.subject.facts["order"] == ["here"]
        about = await loom.why(event.id)
        assert any(hop.facts.get("decision") == decision.id for hop in about.chain[-1].ahead)


@virtual_time
async def test_a_decision_is_found_in_the_store_after_the_runtime_has_ended(tmp_path: Path) -> None:
    async with new_loom(data=tmp_path).add(Asker).add_model(Fake("here")) as loom:
        event = await loom.publish("ask", "hello")
        await loom.idle()
        id = next(iter(loom.router.decisions)).id
    async with new_loom(data=tmp_path) as loom:
        why = await loom.why(id)
        assert why.subject is not None
        assert why.subject.facts["verdicts"][0]["backend"] == "here"
        assert why.chain[-2].id == event.id
        assert not (await loom.why(id[:-1] + "x")).found


@virtual_time
async def test_decisions_push_no_other_note_out(tmp_path: Path) -> None:
    async with new_loom(data=tmp_path).add_model(Fake("here")) as loom:
        notes = loom._services.notes
        assert notes is not None
        notes.add("denied", "some event", {"capability": "light.on"})
        for place in range(3 * DECIDED // 2):
            notes.decision({"id": f"d{place}", "task": "chat"}, "")
            notes.decided("chat", "here", "it is")
            if place % 100 == 0:
                await asyncio.sleep(2)  # a write takes 256 of them, and there is a pause between two
    async with new_loom(data=tmp_path) as loom:
        assert (await loom.why("some event")).found
        assert (await loom.why(f"d{3 * DECIDED // 2 - 1}")).found
        assert not (await loom.why("d0")).found


async def test_an_event_changes_the_profile_and_an_untrusted_or_unknown_one_does_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Loom(router={}).add_model(Fake("here", quality=0.6)).add_model(cloud()) as loom:
        await loom.publish("loom.router.profile", {"profile": "private"})
        assert loom.router.policy.name == "private"
        for told in ({"profile": "best"}, "best"):
            await loom.publish("loom.router.profile", told, label=Label(untrusted=True))
        assert loom.router.policy.name == "private"
        for wrong in ({"profile": "bset"}, {"profil": "best"}, None, {"profile": ["best"]}):
            await loom.publish("loom.router.profile", wrong)
        assert loom.router.policy.name == "private"
        assert "did you mean 'best'" in caplog.text
        await loom.publish("loom.router.profile", {"profile": "best"})
        assert loom.router.policy.name == "best"


async def test_a_program_says_what_a_project_file_says() -> None:
    limits = {"all": {"money": 0.0}}
    settings = {"profile": "cheap", "threshold": 0.9, "budgets": limits, "cache": True, "learned": True}
    async with Loom(router=settings).add_model(Fake("here")).add_model(cloud()) as loom:
        assert (loom.router.policy.prefer, loom.router.policy.threshold) == ("cost", 0.9)
        with pytest.raises(BudgetExceeded):
            await loom.ask("chat", "hello", route="far")
    with pytest.raises(ConfigError, match=r"router.thresold in Loom\(router=...\): no key 'thresold'"):
        Loom(router={"thresold": 1})
