"""Messages of the protocol: those of the real package, any chunking, and strangers."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.adapters._wyoming_codec import MAX_DATA, MAX_LINE, MAX_PAYLOAD, Decoder, Message, encode
from loom.errors import RemoteFailed
from tests.adapters.wyoming_peer import Event, async_read_event, async_write_event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3), max_leaves=4
)
MESSAGES = st.builds(
    Message,
    st.text("abc-", min_size=1, max_size=10),
    st.dictionaries(st.text(max_size=5), JSON, max_size=4),
    st.binary(max_size=50),
)


class Sink:
    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data

    def writelines(self, parts: Any) -> None:
        self.content += b"".join(parts)

    async def drain(self) -> None: ...


def written(message: Message) -> bytes:
    """What the real package writes."""
    sink = Sink()
    event = Event(message.kind, message.data, message.payload or None)
    asyncio.run(async_write_event(event, sink))  # type: ignore[arg-type]
    return sink.content


@given(st.lists(MESSAGES, min_size=1, max_size=4), st.integers(1, 7), st.booleans())
def test_messages_of_either_writer_are_read_in_any_chunks(
    messages: list[Message], size: int, ours: bool
) -> None:
    content = b"".join(map(encode if ours else written, messages))
    decoder, found = Decoder(), []
    for at in range(0, len(content), size):
        found += decoder.feed(content[at : at + size])
    assert found == messages


@given(MESSAGES)
def test_the_real_package_reads_ours(message: Message) -> None:
    async def read() -> Event | None:
        reader = asyncio.StreamReader()
        reader.feed_data(encode(message))
        return await async_read_event(reader)

    event = asyncio.run(read())
    assert event is not None
    assert Message(event.type, event.data, event.payload or b"") == message


@pytest.mark.parametrize(
    "header",
    [
        b"junk",
        b"[]",
        b"{}",
        b'{"type": 5}',
        b'{"type": ""}',
        b'{"type": "a", "data": 5}',
        b'{"type": "a", "data_length": -1}',
        b'{"type": "a", "payload_length": "9"}',
        b'{"type": "a", "data_length": true}',
        b'{"type": "a", "data_length": 1e3}',
        json.dumps({"type": "a", "payload_length": MAX_PAYLOAD + 1}).encode(),
        json.dumps({"type": "a", "data_length": MAX_DATA + 1}).encode(),
        b'{"type": "a", "data_length": 2}\n[]',
        b'{"type": "a", "data_length": 1}\n{',
        b"[" * 10_000,
        b" " * (MAX_LINE + 1),
    ],
)
def test_what_is_no_message_is_refused_before_it_is_kept(header: bytes) -> None:
    with pytest.raises(RemoteFailed):
        Decoder().feed(header + b"\n")


def test_a_line_without_end_is_cut() -> None:
    decoder = Decoder()
    with pytest.raises(RemoteFailed, match="header line"):
        all(decoder.feed(b"x" * 1000) == [] for _ in range(1000))


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_an_error_of_ours(content: bytes) -> None:
    try:
        Decoder().feed(content)
    except RemoteFailed:
        return
