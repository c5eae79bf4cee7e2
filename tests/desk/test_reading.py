"""Reading bytes of strangers: what each form says, on which line, and why what cannot be read is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.desk.reading import MOST_BYTES, Reading, Refusal, read


@given(st.binary(max_size=300), st.sampled_from(["a.txt", "b.json", "c.csv", "d.html", "e.py", "f", "g.TSV"]))
def test_whatever_the_bytes_are_they_are_read_or_refused_in_words(data: bytes, name: str) -> None:
    found = read(name, data)
    if isinstance(found, Refusal):
        assert found.reason
    else:
        assert not [sign for sign in found.text if ord(sign) < 32 and sign not in "\t\n\v\f\r"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.pdf", b"%PDF-1.7 ...", "PDF"),
        ("a.docx", b"PK\x03\x04....", "office document"),
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t\n", "empty"),
        ("a.txt", b"\0" * 4096, "zeros"),
        ("a.txt", b"abc\0\1\2\3def", "binary"),
        ("a.txt", bytes(range(1, 32)) * 9, "binary"),
        ("a.txt", "Grün".encode()[:3], "in the middle of a letter"),
        ("a.json", b'{"half": [1, 2', "not whole JSON"),
        ("a.json", b"[" * 100_000, "nested too deep"),
        ("a.txt", b"x" * (MOST_BYTES + 1), "too large"),
        ("a.html", b"<html><script>alert(1)</script></html>", "says nothing"),
    ],
)
def test_what_cannot_be_read_is_refused_and_says_why(name: str, data: bytes, why: str) -> None:
    found = read(name, data)
    assert isinstance(found, Refusal)
    assert why in found.reason


@pytest.mark.parametrize(
    "data", ["Grüße\nfür Zoë".encode(), "Grüße\r\nfür Zoë".encode("utf-8-sig"), "Grüße\nfür Zoë".encode("utf-16"),
             "Grüße\nfür Zoë".encode("cp1252")],
)  # fmt: skip
def test_texts_of_any_usual_encoding_are_read(data: bytes) -> None:
    assert read("a.txt", data) == Reading("Grüße\nfür Zoë", "")


def test_a_row_of_a_table_says_its_columns_on_its_own_line() -> None:
    found = read("a.csv", b'who,what\nAnn,"tea,\nblack"\nBob,\n')
    assert found == Reading("who; what\n\nwho: Ann, what: tea, black\nwho: Bob", "table")


def test_a_page_says_what_people_see_on_the_line_where_it_stands() -> None:
    page = b"<html>\n<style>p{}</style>\n<p>Tea &amp; <b>milk</b></p>\n<script>\nevil()\n</script><p>end"
    assert read("a.html", page) == Reading("\n\nTea & milk\n\n\nend", "")


def test_an_unclosed_script_hides_its_text_and_a_stray_end_does_not_show_it() -> None:
    found = read("a.html", b"<html></script>seen<script>hidden")
    assert isinstance(found, Reading)
    assert found.text == "seen"


def test_data_and_code_are_told_by_their_form() -> None:
    assert read("a.json", json.dumps({"a": 1}).encode()).form == "data"  # type: ignore[union-attr]
    assert read("a.rs", b"fn main() {}").form == "code"  # type: ignore[union-attr]
    assert read("a", b"#!/bin/sh\necho").form == "code"  # type: ignore[union-attr]
    assert read("a.png", b"\x89PNG\r\n\x1a\n....") == Reading("", "picture")
    assert read("no-end", b"<!DOCTYPE html><p>hi there") == Reading("hi there", "")


def test_no_sign_of_a_file_moves_the_cursor_of_a_terminal() -> None:
    found = read(
        "a.txt",
        b"red \x1b[31m alert \x07 and so on, with enough words that it counts as text for anybody who reads",
    )
    assert isinstance(found, Reading)
    assert "\x1b" not in found.text
    assert "\x07" not in found.text
