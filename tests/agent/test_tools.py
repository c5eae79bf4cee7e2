"""A model that uses tools: what it may choose from, what is done of it, and what it is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from loom import Label, action
from loom.errors import (
    ActionDenied,
    ConfigError,
    ToolLoop,
    UnknownAction,
)
from loom.models import ModelRequest
from loom.testing import Probe, new_loom, virtual_time
from tests.agent.lights import House, Script, ask, butler, calls, says, use

SET = use("light.set", room="kitchen", on=True)


def sent(request: ModelRequest) -> list[Any]:
    messages: Any = request.input
    return list(messages)


def offers(request: ModelRequest) -> list[str]:
    tools: Any = request.options.get("tools", ())
    return [each["name"] for each in tools]


@virtual_time
async def test_the_model_uses_what_is_granted_and_answers() -> None:
    house = House()
    model = Script(calls(SET), says("It is bright."))
    async with new_loom(*house.actions(), butler(actions=["light.*"], max_steps=5)).add_model(model) as loom:
        answer = await ask(loom, "make the kitchen bright")
    assert answer["text"] == "It is bright."
    assert answer["steps"] == [
        {"tool": "light.set", "arguments": {"room": "kitchen", "on": True}, "outcome": "done"}
    ]
    assert house.done == [("kitchen", True, 100)]
    first, second = model.asked
    assert sent(first) == [{"role": "user", "content": "make the kitchen bright"}]
    assert offers(first) == ["light_get", "light_set"], "names as every backend takes them"
    tools: Any = first.options["tools"]
    assert tools[1] == {
        "name": "light_set",
        "description": "Switch the light of a room.",
        "parameters": {
            "type": "object",
            "properties": {
                "room": {"type": "string"},
                "on": {"type": "boolean"},
                "level": {"type": "integer", "default": 100},
            },
            "required": ["room", "on"],
            "additionalProperties": False,
        },
    }
    call = {"id": "call_1", "name": "light_set", "arguments": {"room": "kitchen", "on": True}}
    assert sent(second)[1:] == [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"room": "kitchen", "on": true}'},
    ]


@virtual_time
async def test_only_what_is_granted_and_named_is_offered_and_nothing_else_is_done() -> None:
    house = House()
    model = Script(calls(use("door.open"), use("light.set", room="hall", on=True)), says("no"))
    loom = new_loom(*house.actions()).add_model(model)
    loom.add(butler(actions=["light.*", "door.*"]), grants=["light.get", "door.close"])
    async with loom:
        answer = await ask(loom)
    assert offers(model.asked[0]) == ["light_get"]
    assert house.done == []
    assert [each["outcome"].partition(":")[0] for each in answer["steps"]] == ["refused", "refused"]


@virtual_time
async def test_an_agent_that_is_granted_none_of_them_is_told() -> None:
    loom = new_loom(*House().actions()).add_model(Script(says("x")))
    loom.add(butler(actions=["light.*"]), grants=["tts.*"])
    async with loom:
        with pytest.raises(
            ActionDenied, match=r"granted none of the actions \['light\.\*'\]; its grants are tts"
        ):
            await ask(loom)


@virtual_time
async def test_a_pattern_that_names_nothing_is_an_error_with_the_nearest_name() -> None:
    async with new_loom(*House().actions(), butler(actions=["lihgt.set"])).add_model(Script("x")) as loom:
        with pytest.raises(UnknownAction, match=r"no action matches 'lihgt\.set'; did you mean 'light\.set'"):
            await ask(loom)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"actions": []}, "list of patterns"),
        ({"actions": 7}, "list of patterns"),
        ({"actions": ["light.*"], "max_steps": 0}, "max_steps is a whole number from 1"),
        ({"actions": ["light.*"], "max_steps": True}, "max_steps"),
        ({"actions": ["light.*"], "context_tokens": 10}, "context_tokens"),
        ({"actions": ["light.*"], "tools": []}, "not both"),
        ({"actions": ["light.*"], "input": "x", "task": "embed"}, "actions are for 'chat'"),
        ({"schema": int, "input": "x", "task": "How many?"}, r"ask\('How many\?', ...\): answers of a type"),
        ({"actions": ["light.*"], "timeout": "5"}, "timeout='5': it must be a number of seconds"),
        ({"actions": ["light.*"], "timeout": -1}, "timeout=-1"),
        ({"actions": ["light.*"], "timeout": float("nan")}, "timeout=nan"),
        ({"task": [{"role": "assistant", "tool_calls": 5}]}, "tool_calls are a list"),
        ({"task": [{"role": "assistant", "tool_calls": ["a"]}]}, "tool_calls are a list"),
        ({"schema": object()}, "no JSON form"),
        ({"schema": {"type": 7}}, "no JSON schema"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_model_is_asked(options: dict[str, Any], why: str) -> None:
    from loom.router.tools import wish_of

    rest = dict(options)
    timeout = rest.pop("timeout", None)
    task, input = rest.pop("task", "make it bright"), rest.pop("input", None)
    with pytest.raises(ConfigError, match=why):
        wish_of(task, input, timeout, rest)


@virtual_time
async def test_several_calls_of_one_reply_are_done_in_their_order_and_not_too_many() -> None:
    house = House()
    many = [use("light.set", room=str(number), on=True) for number in range(20)]
    model = Script(calls(*many), says("done"))
    async with new_loom(*house.actions(), butler(actions=["light.*"])).add_model(model) as loom:
        answer = await ask(loom)
    assert [room for room, _, _ in house.done] == [str(number) for number in range(16)]
    assert [each["outcome"][:8] for each in answer["steps"][16:]] == ["refused:"] * 4
    told = [each for each in sent(model.asked[1]) if each["role"] == "tool"]
    assert len(told) == 20, "every call has a result, as every backend wants"
    assert [each["id"] for each in sent(model.asked[1])[1]["tool_calls"]] == [t["tool_call_id"] for t in told]


# --- wrong calls ------------------------------------------------------------------------------------------------------


@virtual_time
async def test_an_unknown_tool_is_told_the_nearest_and_counted() -> None:
    from loom.telemetry import Observer

    class Watch(Observer):
        seen: list[tuple[str, str, str]] = []

        def denied(self, who: str, what: str, reason: str) -> None:
            self.seen.append((who, what, reason))

    model = Script(calls(use("light.sett")), says("sorry"))
    async with new_loom(*House().actions(), butler(actions=["light.*"])).add_model(model) as loom:
        watch = Watch()
        loom.bus.observers.attach(watch)
        await ask(loom)
    assert "no tool 'light.sett'; did you mean 'light_set'" in model.last()
    assert watch.seen == [("Butler", "light.sett", "unknown tool")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"on": True}, "arguments.room is missing"),
        ({"room": "hall", "on": "yes"}, 'arguments.on must be true or false, not \\"yes\\"'),
        (
            {"room": "hall", "on": True, "colour": 1},
            'arguments[\\"colour\\"] is not known; it takes room, on, level',
        ),
        ({"room": "hall", "on": True, "level": 1.5}, "arguments.level must be a whole number, not 1.5"),
        ("{nonsense", "the arguments are no JSON"),
        ([1], "the arguments are a JSON object"),
        ('{"room": "' + "x" * 70_000 + '"}', "at most 65,536"),
    ],
)
@virtual_time
async def test_wrong_arguments_are_told_before_anything_is_done(arguments: Any, told: str) -> None:
    house = House()
    wrong = {"id": "7", "name": "light.set", "arguments": arguments}
    model = Script(calls(wrong), calls(SET), says("done"))
    async with new_loom(*house.actions(), butler(actions=["light.*"])).add_model(model) as loom:
        answer = await ask(loom)
    assert told in model.last(1)
    assert len(model.last(1)) < 700
    assert house.done == [("kitchen", True, 100)], "and it may put it right"
    assert answer["text"] == "done"


@virtual_time
async def test_of_thousands_of_calls_a_few_are_answered() -> None:
    model = Script(calls(*[use("light.get", room=str(number)) for number in range(5_000)]), says("done"))
    async with new_loom(*House().actions(), butler(actions=["light.*"])).add_model(model) as loom:
        answer = await ask(loom)
    assert len(answer["steps"]) == 64
    assert len(sent(model.asked[1])) == 66


@virtual_time
async def test_what_a_backend_could_not_read_is_told_and_not_taken_for_no_arguments() -> None:
    house = House()
    broken = {"name": "door.open", "arguments": {}, "arguments_error": "no JSON", "arguments_text": "{now"}
    model = Script(calls(broken), says("sorry"))
    async with new_loom(*house.actions(), butler(actions=["door.*"])).add_model(model) as loom:
        await ask(loom)
    assert "the arguments are no JSON" in model.last()
    assert house.done == []


@pytest.mark.parametrize(
    "reply",
    [
        {"text": "x", "tool_calls": "all"},
        {"text": None, "tool_calls": [7]},
        {"tool_calls": [{"name": 7, "arguments": {}}]},
        {"tool_calls": [{}]},
        {"text": "", "tool_calls": [{"name": "x" * 100_000}]},
        {"text": "", "tool_calls": [{"id": "a", "name": "light.get"}, {"id": "a", "name": "light.get"}]},
    ],
)
@virtual_time
async def test_whatever_a_backend_calls_a_tool_call_can_be_answered(reply: dict[str, Any]) -> None:
    model = Script(reply, says("done"))
    async with new_loom(*House().actions(), butler(actions=["light.*"])).add_model(model) as loom:
        answer = await ask(loom)
    assert answer["text"] in {"done", "x"}
    if len(model.asked) > 1:
        spoken, *told = sent(model.asked[1])[1:]
        ids = [each["id"] for each in spoken["tool_calls"]]
        assert len(set(ids)) == len(ids)
        assert [each["tool_call_id"] for each in told] == ids
        assert all(each["name"] and len(each["name"]) <= 64 for each in spoken["tool_calls"])


@virtual_time
async def test_a_model_that_errs_without_end_is_stopped() -> None:
    model = Script(calls(use("nonsense")))
    async with new_loom(*House().actions(), butler(actions=["light.*"], max_steps=50)).add_model(
        model
    ) as loom:
        with pytest.raises(ToolLoop, match="more than 3 calls that cannot be done") as stopped:
            await ask(loom)
    assert stopped.value.reason == "mistakes"
    assert len(model.asked) == 4


@virtual_time
async def test_an_endless_loop_ends_typed_and_says_what_was_done() -> None:
    house = House()
    model: Script = Script(lambda request: calls(use("light.set", room=str(len(model.asked)), on=True)))
    async with new_loom(*house.actions(), butler(actions=["light.*"], max_steps=5)).add_model(model) as loom:
        with pytest.raises(ToolLoop, match="still calls tools after 5 steps; raise max_steps") as stopped:
            await ask(loom)
    assert stopped.value.reason == "max_steps"
    assert len(model.asked) == 5
    assert [each["arguments"]["room"] for each in stopped.value.done] == ["1", "2", "3", "4"]  # type: ignore[index]
    assert len(house.done) == 4, "what nobody would be told of is not done"


@virtual_time
async def test_the_same_call_again_and_again_ends_early() -> None:
    house = House()
    same = {"name": "light_set", "arguments": '{"on":true, "room":"kitchen"}'}
    model = Script(calls(SET), calls(same), calls(SET))
    async with new_loom(*house.actions(), butler(actions=["light.*"], max_steps=50)).add_model(model) as loom:
        with pytest.raises(ToolLoop, match="3 times") as stopped:
            await ask(loom)
    assert stopped.value.reason == "repeated"
    assert len(house.done) == 2


# --- tools that fail ----------------------------------------------------------------------------------------------


@virtual_time
async def test_what_a_tool_raises_is_told_in_bounded_words_and_the_loop_goes_on() -> None:
    @action("mail.send")
    async def send(to: str) -> None:
        raise ValueError("x" * 10_000)

    @action("mail.slow", timeout=0.5)
    async def slow() -> None:
        await asyncio.sleep(10)

    model = Script(calls(use("mail.send", to="ada"), use("mail.slow")), says("neither worked"))
    async with new_loom(send, slow, butler(actions=["mail.*"])).add_model(model) as loom:
        answer = await ask(loom)
    failed, late = [each["content"] for each in sent(model.asked[1]) if each["role"] == "tool"]
    assert "ActionFailed: action 'mail.send' raised ValueError" in json.loads(failed)["error"]
    assert len(failed) < 600
    assert "ActionTimeout" in json.loads(late)["error"]
    assert answer["text"] == "neither worked"


@virtual_time
async def test_what_was_denied_is_told_and_nobody_is_asked_twice() -> None:
    house = House()
    model = Script(calls(SET), calls(use("light.set", room="hall", on=True)), says("I may not"))
    things = (*house.actions(approval="ask"), butler(actions=["light.*"]))
    async with new_loom(*things, approval_timeout=5.0).add_model(model) as loom:
        asked = Probe(loom.bus, "loom.approval.requested")
        answer = await ask(loom)
        questions = asked.payloads
    assert len(questions) == 1
    assert "not allowed, do not try it again" in model.last(1)
    assert "was not allowed and is not asked for again" in model.last(2)
    assert (house.done, answer["text"]) == ([], "I may not")


@virtual_time
async def test_an_approved_call_is_done_with_the_arguments_that_were_shown() -> None:
    house = House()
    model = Script(calls(SET), says("done"))
    async with new_loom(*house.actions(approval="ask"), butler(actions=["light.*"])).add_model(model) as loom:
        asked = Probe(loom.bus, "loom.approval.requested")
        await loom.publish("ask", "go")
        await asyncio.sleep(1)
        (question,) = asked.payloads
        assert question["arguments"] == {"room": "kitchen", "on": True}
        assert house.done == []
        loom.approve(question["id"], True)
        await loom.idle()
    assert house.done == [("kitchen", True, 100)]


@virtual_time
async def test_what_a_stranger_may_have_written_does_nothing_without_a_yes() -> None:
    house = House()
    model = Script(calls(SET), says("done"))
    async with new_loom(*house.actions(), butler(actions=["light.*"]), approval_timeout=5.0).add_model(
        model
    ) as loom:
        asked = Probe(loom.bus, "loom.approval.requested")
        await ask(loom, "go", label=Label(untrusted=True))
        assert len(asked.payloads) == 1
    assert house.done == []
    assert "not allowed" in model.last(1)


@virtual_time
async def test_the_runtimes_own_policy_may_say_that_a_tool_is_harmless() -> None:
    house = House()
    model = Script(calls(SET), says("done"))
    things = (*house.actions(), butler(actions=["light.*"]))
    async with new_loom(*things, approvals={"light.set": "allow"}).add_model(model) as loom:
        await ask(loom, "go", label=Label(untrusted=True))
    assert house.done == [("kitchen", True, 100)]


@virtual_time
async def test_a_policy_of_deny_stays_a_no() -> None:
    house = House()
    model = Script(calls(SET), says("no"))
    async with new_loom(*house.actions(approval="deny"), butler(actions=["light.*"])).add_model(
        model
    ) as loom:
        await ask(loom, "go", label=Label(untrusted=True))
    assert house.done == []
    assert "its policy is deny" in model.last(1)
