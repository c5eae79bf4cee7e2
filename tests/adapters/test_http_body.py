"""What a body says: JSON that an event can carry on, text, or bytes; whatever a stranger sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._http_body import parse_json, read_body
from loom.errors import RemoteFailed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES, st.booleans())
def test_json_is_read_as_it_was_written(value: Any, ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "1e999",
        "-1e999",
        '"\\ud800"',
        '{"\\uDC00": 1}',
        "[" * 100_000,
        "1" * 5000,
        "{'a': 1}",
    ],
)
def test_what_no_event_can_carry_is_no_json(text: str) -> None:
    for body in (text, text.encode()):
        with pytest.raises(RemoteFailed):
            parse_json(body)


@pytest.mark.parametrize("body", [b'"\xed\xa0\x80"', '"x"'.encode("utf-16"), b'"\xff"'])
def test_json_is_utf_8(body: bytes) -> None:
    with pytest.raises(RemoteFailed):
        parse_json(body)


def test_characters_outside_the_first_plane_are_whole() -> None:
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"


@given(
    st.binary(max_size=40),
    st.sampled_from(["application/json", "text/plain; charset=latin1", "image/png", "", "a;b;c"]),
)
def test_any_body_is_something(body: bytes, kind: str) -> None:
    word, value = read_body(kind, body)
    assert word in ("json", "text", "bytes")
    assert word != "bytes" or value == body


def test_text_is_decoded_by_its_charset() -> None:
    assert read_body("text/plain; charset=ISO-8859-1", b"\xe9") == ("text", "é")
    assert read_body("text/plain", "\ufeffé".encode()) == ("text", "é")
    assert read_body("text/html; charset=nonsense", b"\xff") == ("text", "\ufffd")
    assert read_body("application/problem+json", b"[1]") == ("json", [1])
