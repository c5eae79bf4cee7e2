"""Placeholders in a stream are put back wherever it is split, and nothing is held back for longer than need be."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loom.privacy.placeholders import LONGEST, Placeholders
from loom.privacy.restoring import Restoring
from tests.privacy.talks import NONCE, chunks, lookalikes


def names() -> Placeholders:
    known = Placeholders(NONCE)
    for value, kind in (
        ("bob@example.com", "EMAIL"),
        ('a"b\\c\n', "SECRET"),
        ("<EMAIL_1_BCDFG>", "TEXT"),
        ("+49 30 1", "PHONE"),
    ):
        known.put(value, kind)
    return known


exact = st.sampled_from(
    [
        "<EMAIL_1_BCDFG>",
        "<SECRET_1_BCDFG>",
        "<TEXT_1_BCDFG>",
        "EMAIL_1_BCDFG",
        "&lt; email 1 bcdfg &gt;",
        "\\u003cEMAIL_1_BCDFG\\u003E",
        "\\<EMAIL\\_1\\_BCDFG\\>",
        "%3CEMAIL_1_BCDFG%3E",
        "<EMAIL_1_BCDFG%3",
    ]
)
pieces = st.lists(
    exact | lookalikes | st.text(max_size=5) | st.sampled_from(list("<>&%3\\_ \nEeM1")), max_size=8
).map("".join)


@settings(max_examples=500, deadline=None)
@given(pieces, st.lists(st.integers(0, 300), max_size=12), st.booleans())
@example("<EMAIL_1_BCDFG>", list(range(16)), False)
@example("EMAIL_1_BCDFG ", [13, 14], False)
@example("&lt;EMAIL_1_BCDFG&gt;", list(range(22)), False)
@example("x<EMAIL_1_BCDFGH>", list(range(18)), False)
@example("%3CEMAIL_1_BCDFG%3e", list(range(22)), False)
def test_any_chunking_restores_what_the_whole_restores(text: str, cuts: list[int], as_json: bool) -> None:
    stream = Restoring(names(), as_json)
    got = "".join([*(stream.feed(chunk) for chunk in chunks(text, cuts)), stream.flush()])
    assert got == names().restore(text, as_json)


@settings(max_examples=200, deadline=None)
@given(pieces)
def test_character_by_character_little_is_held_back(text: str) -> None:
    stream = Restoring(names())
    for char in text * 3:
        stream.feed(char)
        assert len(stream._waiting) <= LONGEST


def test_ordinary_prose_is_not_held_back() -> None:
    stream = Restoring(names())
    assert stream.feed("Hello there") == "Hello there"
    assert stream.feed(", I would say 1 < 2") == ", I would say 1 < 2"
    assert stream.feed(" so: <EMA") == " so: "
    assert stream.feed("IL_1_BCDFG> said") == "bob@example.com said"
    assert stream.flush() == ""


def test_what_a_model_bent_is_put_back_where_it_is_unambiguous() -> None:
    known = names()
    for bent in (
        "<email_1_bcdfg>",
        "< EMAIL_1_BCDFG >",
        "EMAIL_1_BCDFG",
        "<EMAIL 1 BCDFG>",
        "<Email-1-BCDFG>",
        "&lt;EMAIL_1_BCDFG&gt;",
        "\\<EMAIL\\_1\\_BCDFG\\>",
        "<EMAIL_01_BCDFG>",
        "\\u003cEMAIL_1_BCDFG\\u003e",
        "%3CEMAIL_1_BCDFG%3E",
        "%3cEMAIL_1_BCDFG%3e",
    ):
        assert known.restore(f"to {bent}.") == "to bob@example.com.", bent
    for other in (
        "<EMAIL_1>",
        "<EMAIL_2_BCDFG>",
        "<EMAIL_1_BCDFH>",
        "<PHONE_1_BCDF>",
        "EMAIL_1_BCDFGH",
        "xEMAIL_1_BCDFG",
        "<IBAN_1_BCDFG>",
    ):
        assert known.restore(f"to {other}.") == f"to {other}.", other


def test_within_json_a_value_stays_one_string() -> None:
    assert names().restore('{"to": "<SECRET_1_BCDFG>"}', as_json=True) == '{"to": "a\\"b\\\\c\\n"}'


def test_a_placeholder_of_another_conversation_brings_nothing() -> None:
    other = Placeholders("ZZZZZ")
    other.put("ann@example.com", "EMAIL")
    assert names().restore("<EMAIL_1_ZZZZZ>") == "<EMAIL_1_ZZZZZ>"
    assert (
        other.restore("<EMAIL_1_BCDFG> <EMAIL_1> <EMAIL_1_ZZZZZ>")
        == "<EMAIL_1_BCDFG> <EMAIL_1> ann@example.com"
    )
