"""Tools for a model that has none of its own: what it is told, what it may say, and what is made of that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.models._chat_context import Message, fit
from loom.models._chat_request import chat_request
from loom.models._chat_tools import constraint, heard, told

LIGHT = {
    "name": "light_set",
    "description": "Switch the\nlight of a room.",
    "parameters": {
        "type": "object",
        "properties": {
            "room": {"type": "string"},
            "on": {"type": "boolean"},
            "color": {"enum": ["red", "blue"]},
        },
        "required": ["room", "on"],
        "additionalProperties": False,
    },
}


def test_the_system_message_tells_of_the_tools_in_a_line_each() -> None:
    request = chat_request("hi", {"tools": [LIGHT], "system": "Be kind."}, "", 1000)
    first = request.messages[0]
    assert first.role == "system"
    assert first.content.startswith("Be kind.\n\nYou can use tools.")
    assert first.content.endswith(
        '\n- light_set(room: string, on: boolean, color?: {"enum": ["red", "blue"]}): Switch the light of a room.'
    )
    assert request.tools
    assert chat_request("hi", {"tools": [LIGHT]}, "", 1000).messages[0].role == "system"


def test_a_reply_is_a_call_of_a_tool_or_an_answer_and_as_chosen() -> None:
    auto = constraint([LIGHT], None, "auto")
    call, answer = auto["anyOf"]
    assert call["properties"] == {"tool": {"const": "light_set"}, "arguments": LIGHT["parameters"]}
    assert call["required"] == ["tool", "arguments"]
    assert answer["properties"] == {"answer": {"type": "string"}}
    assert constraint([LIGHT], None, "required") == {"anyOf": [call]}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert constraint([LIGHT], schema, "auto")["anyOf"][1]["properties"] == {"answer": schema}
    plain = chat_request("hi", {"tools": [LIGHT], "tool_choice": "none"}, "", 1000)
    assert (plain.tools, plain.schema, plain.messages) == (False, None, (Message("user", "hi"),))


def test_a_request_with_tools_has_their_grammar() -> None:
    request = chat_request("hi", {"tools": [LIGHT], "tool_choice": "required"}, "", 1000)
    assert request.schema == constraint([LIGHT], None, "required")
    assert chat_request(
        "hi", {"tools": [LIGHT], "schema": {"type": "object"}}, "", 1000
    ).schema == constraint([LIGHT], {"type": "object"}, "auto")


def test_definitions_of_several_schemas_do_not_meet() -> None:
    def tool(name: str, kind: str) -> dict[str, Any]:
        parameters = {"properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"type": kind}}}
        return {"name": name, "parameters": parameters}

    found = constraint([tool("a", "string"), tool("b", "integer")], None, "auto")
    assert found["$defs"] == {"0.X": {"type": "string"}, "1.X": {"type": "integer"}}
    refs = [each["properties"]["arguments"]["properties"]["x"] for each in found["anyOf"][:2]]
    assert refs == [{"$ref": "#/$defs/0.X"}, {"$ref": "#/$defs/1.X"}]


def test_calls_and_results_of_before_are_told_as_this_model_would_say_them() -> None:
    call = {"id": "a", "name": "light_set", "arguments": {"room": "kitchen", "on": True}}
    messages = [
        {"role": "user", "content": "light!"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "done"},
    ]
    _, _, spoken, result = chat_request(messages, {"tools": [LIGHT]}, "", 1000).messages
    assert json.loads(spoken.content) == {"tool": "light_set", "arguments": {"room": "kitchen", "on": True}}
    assert result == Message("tool", "Result: done")


def test_a_result_is_not_kept_without_its_call() -> None:
    turns = [
        Message("user", "x" * 90),
        Message("assistant", "call"),
        Message("tool", "r"),
        Message("user", "now"),
    ]
    for room in (4, 5, 8, 20, 100):
        fitted = fit(turns, room, lambda messages: sum(len(each.content) for each in messages))
        roles = [] if fitted is None else [each.role for each in fitted.messages]
        assert roles in ([], ["user"], ["user", "assistant", "tool", "user"]), room


@pytest.mark.parametrize(
    ("text", "said", "called"),
    [
        ('{"answer": "Paris"}', "Paris", []),
        ('{"answer": {"n": 1}}', '{"n": 1}', []),
        ('{"tool": "a", "arguments": {"x": 1}}', "", [{"id": "call_3", "name": "a", "arguments": {"x": 1}}]),
        ('{"answer": "Paris is the cap', "Paris is the cap", []),
        ('{"answer": "a \\', "a \\", []),
        ('{"tool": "a", "arguments": {"x": "unfin', "", []),
        ('{"tool": "a", "arguments": {"x": 1', "", []),
        ("no json", "", []),
        ("", "", []),
    ],
)
def test_what_a_model_says_is_an_answer_or_a_call_and_what_was_cut_off_calls_nothing(
    text: str, said: str, called: list[Any]
) -> None:
    assert heard(text, 3) == (said, called)


@given(st.text())
def test_whatever_comes_calls_only_what_was_said_whole(text: str) -> None:
    _, calls = heard(text, 1)
    assert not calls or json.loads(text)["tool"] == calls[0]["name"]


def test_nothing_is_told_of_no_parameters() -> None:
    assert told([{"name": "ping"}]).endswith("\n- ping(): ")
