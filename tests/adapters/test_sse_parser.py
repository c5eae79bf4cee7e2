"""Server-sent events: the standard's own examples, any chunking, and a naive reader that sees all at once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._sse_parser import Message, SseParser
from loom.errors import RemoteTooLarge

TEXTS = st.lists(
    st.sampled_from(
        [
            "data",
            "event",
            "id",
            "retry",
            "x",
            ":",
            ": ",
            "é",
            "\0",
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "7",
            "\ufeff",
            "a b",
        ]
    ),
    max_size=40,
).map("".join)


def read(*chunks: bytes) -> list[Message]:
    parser = SseParser()
    return [message for chunk in chunks for message in parser.feed(chunk)]


def oracle(text: str) -> list[Message]:
    """The standard's algorithm over the whole text; what no blank line ends does not count."""
    found, data, event, told, last = [], "", "", "", ""
    for line in re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            last = told
            if data:
                found.append(Message(event or "message", data[:-1], last))
            data, event = "", ""
        elif name == "data":
            data += value + "\n"
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            told = value
    return found


@given(TEXTS, st.lists(st.integers(1, 5)))
def test_any_chunking_reads_like_the_standard_over_the_whole(text: str, sizes: list[int]) -> None:
    content, chunks = text.encode(), []
    for size in sizes:
        chunks.append(content[:size])
        content = content[size:]
    assert read(*chunks, content) == oracle(text)
    assert read(*(bytes([byte]) for byte in text.encode())) == oracle(text)


@given(st.binary(max_size=60), st.integers(1, 7))
def test_bytes_that_are_no_text_are_read_alike_in_any_chunks(content: bytes, size: int) -> None:
    assert read(content) == read(*(content[at : at + size] for at in range(0, len(content), size)))


def test_the_examples_of_the_standard() -> None:
    stock = b"data: YHOO\ndata: +2\ndata: 10\n\n"
    assert read(stock) == [Message("message", "YHOO\n+2\n10", "")]
    second = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert read(second) == [
        Message("message", "first event", "1"),
        Message("message", "second event", ""),
        Message("message", " third event", ""),
    ]
    assert read(b"data\n\ndata\ndata\n\ndata:") == [Message("message", "", ""), Message("message", "\n", "")]


def test_a_message_is_told_with_its_last_byte_even_if_that_is_half_a_line_end() -> None:
    parser = SseParser()
    assert parser.feed(b"data: x\r\r") == [Message("message", "x", "")]
    assert parser.feed(b"\ndata: y\n\n") == [Message("message", "y", "")]


def test_a_line_end_in_two_chunks_is_one() -> None:
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Message("message", "a\nb", "")]


def test_retry_and_last_id_are_kept_across_messages() -> None:
    parser = SseParser(last_id="5")
    assert parser.feed(b"data: a\n\n")[0].id == "5"
    parser.feed(b"retry: 250\nid: 6\n")
    assert (parser.retry, parser.last_id) == (250, "5"), "an id counts when its message is complete"
    parser.feed(b"\n")
    assert parser.last_id == "6"
    parser.feed("retry: ٣\nretry: -1\nretry: 99999999999999999999\n".encode())
    assert parser.retry == 3_600_000


@pytest.mark.parametrize("chunk", [b"data: xxxxxxxx\n", b"x" * 16, b"event: y\n"])
def test_a_message_without_end_is_cut(chunk: bytes) -> None:
    parser = SseParser(limit=1000)
    with pytest.raises(RemoteTooLarge, match="1,000"):
        all(parser.feed(chunk) == [] for _ in range(1000))


def test_comments_without_end_are_no_message() -> None:
    parser = SseParser(limit=100)
    for _ in range(1000):
        assert parser.feed(b": still here\n") == []


def test_a_message_that_comes_whole_is_cut_too() -> None:
    with pytest.raises(RemoteTooLarge, match="1,000"):
        SseParser(limit=1000).feed(b"data: " + b"x" * 1000 + b"\n\n")
