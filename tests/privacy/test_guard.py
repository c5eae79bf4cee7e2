"""The guard redacts whole requests and restores whole answers; what cannot be redacted does not leave."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.errors import ConfigError, NotRedacted
from loom.models import ModelRequest
from loom.privacy import Guard
from loom.privacy.guard import CONVERSATIONS, SHOWN
from loom.privacy.nested import DEPTH, NODES, texts
from tests.privacy.made import leaked
from tests.privacy.talks import chunks, messages, trees
from tests.privacy.talks import texts as talk

MAIL = "bob.smith@example.com"
CARD = "4111 1111 1111 1111"
KEY = "sk-proj-abcdefghijklmnop1234"


def ask(input: object, thread: str | None = "t", user: str = "", **options: object) -> ModelRequest:
    return ModelRequest("chat", input, thread=thread, user=user, options=options)


@settings(max_examples=150, deadline=None)
@given(
    talk | messages,
    st.dictionaries(st.sampled_from(["system", "tools", "schema", "stop"]), trees, max_size=3),
)
def test_a_request_comes_back_whole_and_a_second_time_changes_nothing(
    input: Any, options: dict[str, object]
) -> None:
    guard = Guard()
    outbound = guard.outbound(ask(input, **options))
    again = guard.outbound(outbound.request)
    assert again.request.input == outbound.request.input
    assert again.request.options == outbound.request.options
    if "schema" not in options:
        assert _typed(outbound.restore(outbound.request.input)) == _typed(input)
        assert _typed(outbound.restore(dict(outbound.request.options))) == _typed(options)


def _typed(tree: Any) -> str:
    return repr(tree)


@settings(max_examples=100, deadline=None)
@given(messages, st.lists(st.integers(0, 10**6), max_size=10))
def test_a_stream_cut_anywhere_is_restored_like_the_whole(input: list[Any], cuts: list[int]) -> None:
    outbound = Guard().outbound(ask(input))
    for text in texts(outbound.request.input):
        stream = outbound.restoring()
        got = "".join([*(stream.feed(chunk) for chunk in chunks(text, cuts)), stream.flush()])
        assert got == outbound.restore(text)


def test_every_text_of_a_request_is_redacted_with_the_same_placeholders() -> None:
    given = {"to": [MAIL], MAIL: {"x": f"<{MAIL}>"}, "card": 4111111111111111}
    properties = {"to": {"default": MAIL}, "password": {"type": "string", "description": "the password"}}
    parameters = {"type": "object", "properties": properties, "required": ["password"]}
    request = ask(
        [
            {"role": "system", "content": f"The user is {MAIL}."},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "name": "mail.send", "arguments": given}]},
            {"role": "tool", "content": json.dumps({"sent": MAIL}), "tool_call_id": "1"},
        ],
        system=f"Never tell {MAIL}", stop=[MAIL], max_tokens=100, seed=4111111111111111,
        tools=[{"name": "mail.send", "description": f"Mail to {MAIL}", "parameters": parameters}],
    )  # fmt: skip
    outbound = Guard().outbound(request)
    sent = json.dumps([outbound.request.input, outbound.request.options])
    assert MAIL not in sent
    assert sent.count("<EMAIL_1_") == 9
    assert outbound.request.options["max_tokens"] == 100
    assert outbound.request.options["seed"] == 4111111111111111
    tool = outbound.request.options["tools"][0]
    assert tool["parameters"]["properties"]["password"] == {"type": "string", "description": "the password"}
    assert "4111111111111111" not in json.dumps(outbound.request.input)
    assert outbound.restore(outbound.request.input) == request.input
    assert outbound.restore({**outbound.request.options}) == request.options
    assert outbound.sent.kinds == {"EMAIL": 1, "DATA": 1}


def test_an_answer_is_restored_to_its_last_argument() -> None:
    guard = Guard()
    outbound = guard.outbound(ask(f"mail {MAIL} and pay with 4111 1111 1111 1111"))
    mail, card = (word for word in outbound.request.input.split() if word.startswith("<"))
    answer = {
        "text": f"Done: {mail.lower()}",
        "tokens_in": 3,
        "stopped": "tools",
        "confidence": 0.5,
        "tool_calls": [{"id": "1", "name": "pay", "arguments": {"to": mail, "n": [card, 1, None, True]}}],
    }
    assert outbound.restore(answer) == {
        **answer, "text": f"Done: {MAIL}",
        "tool_calls": [{"id": "1", "name": "pay", "arguments": {"to": MAIL, "n": [CARD, 1, None, True]}}],
    }  # fmt: skip
    assert outbound.restore(b"bytes") == b"bytes"


def test_an_answer_by_a_schema_stays_json() -> None:
    outbound = Guard().outbound(ask('the password is "a\\x{c 9"', schema={"type": "object"}))
    word = next(word for word in outbound.request.input.split('"') if word.startswith("<"))
    assert json.loads(outbound.restore({"text": f'{{"x": "{word}"}}'})["text"])["x"]


def test_what_is_found_late_is_hidden_in_what_came_before() -> None:
    talk = [
        {"role": "user", "content": "winter99 it is"},
        {"role": "user", "content": "I mean, password: winter99"},
    ]
    outbound = Guard().outbound(ask(talk))
    assert "winter99" not in str(outbound.request.input)
    assert outbound.restore(outbound.request.input) == talk


@pytest.mark.parametrize(
    "name",
    [
        *(
            "dbPassword",
            "clientSecret",
            "accessToken",
            "SECRET_KEY_BASE",
            "passwordHash",
            "sharedAccessKey",
            "PGPASSWORD",
        ),
        *(
            "Ocp-Apim-Subscription-Key",
            "Passwort",
            "contraseña",
            "пароль",
            "密码",
            "sessionid",
            "passwords",
            "pin",
            "cvv",
        ),
    ],
)
def test_what_stands_under_a_key_that_is_called_like_a_secret_is_hidden(name: str) -> None:
    values = ["apple", 482913, 731, ["pear tree"], "x1y"]
    arguments = [{name: value} for value in values] + [{"name": name, "value": value} for value in values]
    outbound = Guard().outbound(ask([{"role": "user", "content": "hi", "args": arguments}]))
    sent = str(outbound.request.input)
    assert not any(str(value) in sent for value in ("apple", "482913", "731", "pear tree", "x1y"))
    assert outbound.restore(outbound.request.input) == [{"role": "user", "content": "hi", "args": arguments}]


def test_what_only_sounds_like_such_a_key_is_left() -> None:
    arguments = {
        "max_tokens": 4096,
        "monkey": "banana",
        "pin": 4,
        "pass": True,
        "name": "light",
        "value": 300,
    }
    assert Guard().outbound(ask([{"role": "user", "args": arguments}])).request.input[0]["args"] == arguments


def test_what_stands_under_a_telling_key_is_hidden_whatever_it_is() -> None:
    outbound = Guard().outbound(
        ask(
            [
                {
                    "role": "tool",
                    "content": "x",
                    "arguments": {"db": {"password": "apple", "token": ["pear tree"]}, "n": 1},
                }
            ]
        )
    )
    sent = json.dumps(outbound.request.input)
    assert "apple" not in sent
    assert "pear" not in sent


def test_threads_and_users_do_not_share_placeholders() -> None:
    guard = Guard()
    first = guard.outbound(ask(f"I am {MAIL}", "t", "bob"))
    placeholder = first.request.input.split()[-1]
    for request in (ask("x", "u", "bob"), ask("x", "t", "eve"), ask("x", None)):
        assert (
            guard.outbound(request).restore(f"Who is {placeholder}, <EMAIL_1>?")
            == f"Who is {placeholder}, <EMAIL_1>?"
        )
    assert guard.outbound(ask("y", "t", "bob")).restore(placeholder) == MAIL


def test_somebody_who_writes_a_placeholder_gets_the_text_back_and_no_value() -> None:
    guard = Guard(chance=lambda letters: letters[0])
    eve = guard.outbound(ask("print <EMAIL_1_BBBBB> and email 1 bbbbb", "t"))
    assert eve.restore(eve.request.input) == "print <EMAIL_1_BBBBB> and email 1 bbbbb"
    assert "<TEXT_1_BBBBB>" in eve.request.input
    both = guard.outbound(ask(f"{MAIL} <EMAIL_1_BBBBB>", "u"))
    assert both.restore(both.request.input) == f"{MAIL} <EMAIL_1_BBBBB>"


def test_conversations_are_bounded_and_answers_on_the_way_are_still_restored() -> None:
    guard = Guard()
    first = guard.outbound(ask(MAIL, "first"))
    for number in range(CONVERSATIONS + 5):
        guard.outbound(ask(MAIL, f"t{number}"))
    assert guard.statistics()["conversations"] == CONVERSATIONS
    assert first.restore(first.request.input) == MAIL
    assert guard.outbound(ask(MAIL, "first")).request.input != first.request.input


@pytest.mark.parametrize(
    "input", [b"bytes", {"pcm": b""}, [object()], {1, 2}, bytearray(2), ["a", memoryview(b"a")], 1j]
)
def test_what_is_no_text_does_not_leave(input: object) -> None:
    guard = Guard()
    assert not guard.redactable(input, {})
    assert not guard.redactable("a", {"picture": input})
    with pytest.raises(NotRedacted, match="cannot be redacted"):
        guard.outbound(ask(input))
    with pytest.raises(NotRedacted, match="cannot be redacted"):
        guard.outbound(ask("a", system=input))


def test_what_is_too_deep_or_too_large_does_not_leave() -> None:
    guard = Guard()
    deep: list[Any] = []
    for _ in range(DEPTH + 2):
        deep = [deep]
    for input in (deep, [0] * (NODES + 1), "x" * 16_000_001):
        assert not guard.redactable(input)
        with pytest.raises(NotRedacted):
            guard.outbound(ask(input))
    loop: list[Any] = []
    loop.append(loop)
    assert not guard.redactable(loop)


def test_keys_that_become_one_are_refused() -> None:
    nonce = "BBBBB"
    guard = Guard(chance=lambda letters: letters[0])
    guard.outbound(ask(MAIL))
    with pytest.raises(NotRedacted, match="two keys"):
        guard.outbound(ask([{"arguments": {MAIL: 1, f"<EMAIL_1_{nonce}>": 2}}]))


def test_known_secrets_never_leave_and_are_told_of() -> None:
    guard = Guard([], secrets=["Kr0nenberg", KEY])
    assert guard.holds_secret("the Kr%30nenberg", {})
    assert guard.holds_secret("x", {"tools": [{"name": "KR0NENBERG"}]})
    assert not guard.holds_secret("x", {"seed": 1})
    outbound = guard.outbound(ask(["Kr0nenberg", {"k": "a" + KEY.upper()}]))
    assert leaked("Kr0nenberg", str(outbound.request)) is None
    assert leaked(KEY, str(outbound.request)) is None
    with pytest.raises(NotRedacted, match="where two texts meet"):
        guard.outbound(ask(["Kr0nen", "berg"]))
    messages = [{"role": "user", "content": "Kr0nen"}, {"role": "user", "content": [{"text": "berg it is"}]}]
    assert guard.holds_secret(messages, {})
    with pytest.raises(NotRedacted, match="where two texts meet"):
        guard.outbound(ask(messages))
    for short in ("", "abc", "   abc   ", 1):
        with pytest.raises(ConfigError, match="4 characters"):
            Guard(secrets=[short])  # type: ignore[list-item]


def test_no_value_shows_in_audit_errors_or_representations() -> None:
    guard = Guard(secrets=[KEY])
    outbound = guard.outbound(ask(f"I am {MAIL}, key {KEY}, password: hunter2x"))
    shown = (
        repr(guard)
        + repr(outbound)
        + repr(outbound.sent)
        + json.dumps(outbound.sent.facts())
        + str(guard.statistics())
        + repr(outbound.restoring())
    )
    for value in (MAIL, KEY, "hunter2x"):
        assert value not in shown
    assert outbound.sent.facts()["redacted"] == {"WORD": 1, "SECRET": 1, "EMAIL": 1}


def test_an_audit_of_a_long_prompt_is_cut() -> None:
    facts = Guard().outbound(ask("word " * 100_000)).sent.facts()
    assert len(facts["text"]) == SHOWN
    assert facts["characters"] > 500_000


def test_a_lone_surrogate_is_no_trouble() -> None:
    outbound = Guard().outbound(ask("\ud800 bob@example.com \udfff password: \ud800\ud800abc1"))
    assert (
        outbound.restore(outbound.request.input) == "\ud800 bob@example.com \udfff password: \ud800\ud800abc1"
    )
