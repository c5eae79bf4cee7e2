"""Long conversations in an agent's step: summarised, or cut with a note, and what went in can be looked at."""

from __future__ import annotations

from typing import Any

import pytest

from loom.errors import BudgetExceeded, ModelFailed, NoBackend, NoRoom
from loom.router.tools._window import tokens, total
from loom.testing import Probe, new_loom, virtual_time
from tests.agent.lights import House, Script, ask, butler, calls, says, use

LONG = [
    {"role": "system", "content": "You are a butler."},
    *(
        {"role": role, "content": f"{number} " + "and so on " * 60}
        for number in range(10)
        for role in ("user", "assistant")
    ),
    {"role": "user", "content": "What did I say at first?"},
]


def sent(model: Script, number: int = -1) -> list[Any]:
    messages: Any = model.asked[number].input
    return list(messages)


@virtual_time
async def test_what_does_not_fit_is_summarised_by_the_model_and_the_summary_goes_along() -> None:
    model = Script(says("The user counted."), says("zero"))
    async with new_loom(butler(context_tokens=1000)).add_model(model) as loom:
        windows = Probe(loom.bus, "loom.agent.Butler.context")
        answer = await ask(loom, LONG)
        told = windows.payloads
    assert answer["text"] == "zero"
    summary, question = model.asked
    assert "Summarise the conversation" in sent(model, 0)[0]["content"]
    assert sent(model, 0)[1]["content"].startswith("user: 0 and so on")
    assert summary.options["max_tokens"] == 105
    messages = sent(model)
    assert messages[0] == LONG[0]
    assert messages[1] == {
        "role": "user",
        "content": "[Summary of the conversation so far: The user counted.]",
    }
    assert messages[2:] == LONG[-len(messages[2:]) :]
    assert total(messages) <= 1000
    (facts,) = answer["context"]
    assert facts == {
        "messages": len(messages),
        "tokens": total(messages),
        "room": 1000,
        "dropped": len(LONG) - len(messages) + 1,
        "shortened": 0,
        "summarised": True,
        "why": "over context_tokens",
    }
    assert told == [facts]
    assert "and so on" not in repr(told), "figures, no text"
    assert question.options.get("max_tokens") is None


@pytest.mark.parametrize("how", [{"compact": False}, {}])
@virtual_time
async def test_without_a_summary_a_note_says_that_something_is_missing(how: dict[str, Any]) -> None:
    model = Script(says("zero")) if how else Script(ModelFailed("no"), says("zero"))
    async with new_loom(butler(context_tokens=1000, **how)).add_model(model) as loom:
        answer = await ask(loom, LONG)
    assert answer["text"] == "zero"
    assert sent(model)[1]["content"].endswith("earlier messages were left out for want of room]")
    assert answer["context"][0]["summarised"] is False


@virtual_time
async def test_a_summary_that_cannot_be_paid_ends_it() -> None:
    model = Script(BudgetExceeded("spent", budget="day", kind="money"), says("zero"))
    async with new_loom(butler(context_tokens=1000)).add_model(model) as loom:
        with pytest.raises(BudgetExceeded):
            await ask(loom, LONG)


@virtual_time
async def test_a_talkative_summary_takes_no_more_than_its_share() -> None:
    model = Script(says("blah " * 10_000), says("zero"))
    async with new_loom(butler(context_tokens=1000)).add_model(model) as loom:
        await ask(loom, LONG)
    assert tokens(sent(model)[1]) <= 125
    assert total(sent(model)) <= 1000


@virtual_time
async def test_a_loop_that_grows_over_its_budget_goes_on_within_it() -> None:
    house = House()

    def more(request: Any) -> Any:
        if "tools" not in request.options:
            return says("lights were switched")
        if len(house.done) == 30:
            return says("done")
        return calls(use("light.set", room=f"room {len(house.done)} " + "x" * 100, on=True))

    model = Script(more)
    things = (*house.actions(), butler(actions=["light.set"], max_steps=40, context_tokens=1500))
    async with new_loom(*things).add_model(model) as loom:
        answer = await ask(loom, "switch on all the lights")
    assert answer["text"] == "done"
    assert len(house.done) == 30
    assert max(each["tokens"] for each in answer["context"]) <= 1500
    assert 1 <= sum(each["summarised"] for each in answer["context"]) <= 6, "not at every step"
    for request in model.asked:
        messages: Any = request.input
        if "tools" in request.options:
            assert "switch on all the lights" in [each["content"] for each in messages]
            ids = [call["id"] for each in messages for call in each.get("tool_calls", ())]
            assert ids == [each["tool_call_id"] for each in messages if each["role"] == "tool"]
            assert len(set(ids)) == len(ids)


@virtual_time
async def test_where_the_only_backend_reads_less_the_conversation_is_made_to_fit_it() -> None:
    class Small(Script):
        context = 1500

    model = Small(says("The user counted."), says("zero"))
    async with new_loom(butler()).add_model(model) as loom:
        answer = await ask(loom, LONG)
    assert answer["text"] == "zero"
    assert [each["room"] for each in answer["context"]] == [8192, 1500 - 512]
    assert answer["context"][1]["summarised"]


@virtual_time
async def test_a_refusal_for_another_reason_is_no_matter_of_length() -> None:
    async with new_loom(butler(route="nobody")).add_model(Script(says("x"))) as loom:
        with pytest.raises(NoBackend):
            await ask(loom, LONG)


@virtual_time
async def test_where_a_backend_cut_something_itself_the_next_request_is_shorter() -> None:
    model = Script(
        calls(use("light.get", room="hall"), text="") | {"cut": 900}, says("a summary"), says("off")
    )
    async with new_loom(*House().actions(), butler(actions=["light.*"])).add_model(model) as loom:
        answer = await ask(loom, LONG)
    first, second = answer["context"]
    assert first["dropped"] == 0
    assert second["tokens"] < 0.75 * first["tokens"]
    assert second["summarised"]


@virtual_time
async def test_tools_that_leave_no_room_are_an_error() -> None:
    model = Script(says("x"))
    things = (*House().actions(), butler(actions=["*"], context_tokens=256, prompt=""))
    loom = new_loom(*things).add_model(model)
    async with loom:
        with pytest.raises(NoRoom, match="raise context_tokens"):
            await ask(loom, "x" * 10_000)


@pytest.mark.parametrize(("wrong", "room"), [("no JSON " * 10_000, 2_000), ("no JSON " * 100, 300)])
@virtual_time
async def test_what_was_asked_stays_when_an_answer_is_to_be_put_right(wrong: str, room: int) -> None:
    """The last words of the user are its question, not what we say of the answer."""

    def answer(request: Any) -> Any:
        if "Summarise" in request.input[0]["content"]:
            return says("a summary")
        return says("7" if "cannot be used" in request.input[-1]["content"] else wrong)

    model = Script(answer)
    async with new_loom(butler(context_tokens=room, schema=int)).add_model(model) as loom:
        assert await ask(loom, LONG) == 7
    messages = sent(model)
    assert total(messages) <= room
    assert LONG[-1] in messages
    assert all(len(each["content"]) <= 2_000 for each in messages)
    assert (room == 300) is not any(each["content"].startswith("no JSON") for each in messages)
