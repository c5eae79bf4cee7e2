"""A model that uses tools: what it may choose from, what is done of it, and what it is told."""

from __future__ import annotations

from loom.testing import new_loom, virtual_time
from tests.agent.lights import House, Script, ask, butler, calls, says, use


@virtual_time
async def test_the_model_uses_what_is_granted_and_answers() -> None:
    house = House()
    model = Script(calls(use("light.set", room="kitchen", on=True)), says("It is bright."))
    async with new_loom(*house.actions(), butler(actions=["light.*"], max_steps=5)).add_model(model) as loom:
        answer = await ask(loom, "make the kitchen bright")
    assert answer["text"] == "It is bright."
    assert answer["steps"] == [
        {"tool": "light.set", "arguments": {"room": "kitchen", "on": True}, "outcome": "done"}
    ]
    assert house.done == [("kitchen", True, 100)]
    first, second = model.asked
    assert first.input == [{"role": "user", "content": "make the kitchen bright"}]
    assert [each["name"] for each in first.options["tools"]] == ["light_get", "light_set"]
    assert second.input[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1_1", "name": "light_set", "arguments": {"room": "kitchen", "on": True}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1_1", "content": '{"room": "kitchen", "on": true}'},
    ]
