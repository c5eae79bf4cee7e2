"""What a refusal means: pauses, words without secrets, and what is told apart; all of it pure."""

from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._model_errors import (
    OF_KEY,
    Hidden,
    Peer,
    Refusal,
    Status,
    asked_pause,
    broken_off,
    duration,
    failure,
    refusal,
    unknown_model,
)
from loom.errors import ContextExceeded

NOW = 1_800_000_000.0
ALPHABET = st.characters(codec="ascii", categories=("L", "N"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("250ms", 0.25), ("1h2m3.5s", 3723.5), ("7", 7), ("1.5", 1.5), ("2d", 172_800),
     ("", None), ("s", None), ("1x", None), ("1s!", None), ("-1s", None), ("9" * 50 + "s", None), ("NaN", None)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


def test_pauses_are_read_from_whichever_header_says_them() -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
    cases: list[tuple[dict[str, str], float | None]] = [
        ({}, None),
        ({"retry-after": "5"}, 5),
        ({"retry-after": date}, 90),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "5", "retry-after-ms": "250"}, 5),
        ({"retry-after-ms": "250"}, 0.25),
        (spent, 20),
        ({**spent, "x-ratelimit-remaining-requests": "4"}, None),
        ({**spent, "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m"}, 120),
        ({"x-ratelimit-reset-tokens": "2m"}, None),
        ({"retry-after": "9" * 400}, 3600),
    ]
    for headers, pause in cases:
        assert asked_pause(headers, NOW) == pause, headers


HEADERS = (
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset-a",
    "x-ratelimit-remaining-a",
    "anthropic-ratelimit-a-reset",
    "anthropic-ratelimit-a-remaining",
)


@given(st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=30) | st.just("0")))
def test_no_header_makes_a_pause_that_is_none(headers: dict[str, str]) -> None:
    pause = asked_pause(headers, NOW)
    assert pause is None or 0 <= pause <= 3600


SHAPES: list[Any] = [str, str.upper, str.lower, lambda key: key[: OF_KEY + 2], lambda key: key[-OF_KEY:]]


@given(
    key=st.text(ALPHABET, min_size=OF_KEY, max_size=40),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
    how=st.sampled_from(SHAPES),
)
def test_no_part_of_a_key_is_shown(key: str, before: str, after: str, how: Any) -> None:
    shown = Hidden([key]).clean(before + how(key) + after).lower()
    parts = {key[at : at + OF_KEY].lower() for at in range(len(key) - OF_KEY + 1)}
    assert not any(part in shown for part in parts)


@given(key=st.text(ALPHABET, min_size=12, max_size=40), around=st.text(ALPHABET, max_size=9))
def test_no_spelling_of_a_key_is_shown(key: str, around: str) -> None:
    inside = (around + key + around).encode()
    for spelt in (
        key[::-1],
        inside.hex(),
        inside.hex().upper(),
        b64encode(inside).decode(),
        quote(key, safe=""),
    ):
        shown = Hidden([key]).clean(f"bad input {spelt} was refused")
        assert spelt not in shown
        middle = key[2:-2].encode()
        assert middle.hex() not in shown.lower()
        assert b64encode(inside).decode()[8:-8] not in shown or len(b64encode(inside)) < 24
    assert Hidden([key]).clean("bad input was refused") == "bad input was refused"


def test_numbers_and_addresses_of_a_prompt_are_not_repeated() -> None:
    hidden = Hidden((), ["my card is 4111111111111111, mail bob@example.org or call +49 30 1234567."])
    shown = hidden.clean(
        "cannot read '4111111111111111' (bob@example.org, 1234567): 2048 tokens of 4096 at line 1234"
    )
    assert shown == "cannot read '***' (***, ***): 2048 tokens of 4096 at line 1234"
    assert hidden.clean("id " + b64encode(b"my card is 4111111111111111").decode()) == "id ***"


def test_keys_are_known_by_their_look_too() -> None:
    shown = Hidden().clean("wrong key sk-proj-abc123DEF and Bearer abcdef, model gpt-4o-mini")
    assert shown == "wrong key *** and *** model gpt-4o-mini"


def test_a_prompt_is_not_repeated_and_common_words_stay() -> None:
    hidden = Hidden((), ["Please tell me about the secret plans of company X"])
    assert (
        hidden.clean("cannot parse 'about the secret plans of company X' here") == "cannot parse '***' here"
    )
    assert hidden.clean("about the model: tell me") == "about the model: tell me"
    assert Hidden((), ["x" * 300_000]).clean("whatever it says") == "", (
        "too much to search in: nothing is shown"
    )


@pytest.mark.parametrize(
    ("body", "words", "code"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": "c"}}', "m", "t c"),
        (b'{"type": "error", "error": {"type": "x_error", "message": "Overloaded"}}', "Overloaded", "x_error"),
        (b'{"object": "error", "message": "m", "type": "BadRequestError", "code": 400}', "m", "BadRequestError 400"),
        (b'{"error": "model not found"}', "model not found", ""),
        (b'{"detail": "Not Found"}', "Not Found", ""),
        (b"upstream is down", "upstream is down", ""),
        (b"<html>502</html>", "", ""),
        (b"", "", ""),
        (b"\xff", "\ufffd", ""),
        (b'{"error": {"message": 7}}', "", ""),
    ],
)  # fmt: skip
def test_each_server_s_way_of_refusing_is_read(body: bytes, words: str, code: str) -> None:
    assert refusal(body) == Refusal(words, code)


@given(st.binary(max_size=60) | st.sampled_from([b'{"error": [[]]}', b'{"error": null}', b"null", b"[" * 9999]),
       st.integers(300, 599))  # fmt: skip
def test_any_refusal_is_an_error(body: bytes, status: int) -> None:
    error = failure(Peer("x", ("key-12345678",)), Status(status, {}, NOW), refusal(body))
    assert error.status == status
    assert len(str(error)) < 600


def test_what_breaks_off_is_final_where_the_request_is_to_blame() -> None:
    for code, retryable in (("overloaded_error", True), ("", True), ("server_error 500", True), ("429", True),
                            ("invalid_request_error", False), ("BadRequestError 400", False)):  # fmt: skip
        assert broken_off(Peer("x"), Refusal("m", code)).retryable is retryable
    assert isinstance(broken_off(Peer("x"), Refusal("prompt is too long", "")), ContextExceeded)


def test_an_unknown_model_is_told_apart() -> None:
    assert unknown_model(404, Refusal("The model `x` does not exist", ""))
    assert unknown_model(404, Refusal("model 'x' not found, try pulling it first", ""))
    assert unknown_model(400, Refusal("", "model_not_found"))
    assert unknown_model(404, Refusal("model: claude-x", "not_found_error"))
    assert not unknown_model(404, Refusal("no such page", ""))
    assert not unknown_model(500, Refusal("model x not found", ""))
