"""CloudEvents: every Loom event comes back, and the package of the standard reads and writes the same."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import InvalidEvent, PayloadTooLarge
from loom.event import Confidentiality, Event, Label
from loom.event._codec_buffer import Buffer
from loom.event.cloudevents import (
    FOREIGN,
    Hole,
    Line,
    from_cloudevent,
    read_lines,
    to_cloudevent,
    to_line,
)

FIELDS = (
    "id", "type", "payload", "topic", "source", "tags", "metadata", "confidence", "priority", "timestamp_ms", "key",
    "deadline_ms", "label", "thread", "scope", "cause", "hop", "trace",
)  # fmt: skip

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "loom:nameless", "a/b", "a b", "\x7f", "%", "%41"]
)
words = st.text("abcdefg_-", min_size=1, max_size=8)
whole = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**42)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def buffers(draw: st.DrawFn) -> Buffer:
    dtype, size = draw(st.sampled_from([("uint8", 1), ("int16", 2), ("float64", 8), ("bool", 1)]))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    return Buffer(bytes(math.prod(shape) * size), dtype, shape, draw(st.none() | st.floats(0.1, 1e6)))


@st.composite
def events(draw: st.DrawFn) -> Event:
    names = ("key", "thread", "scope", "cause", "trace")
    return Event(
        draw(text.filter(bool)),
        draw(json_values | st.binary(max_size=50) | buffers()),
        id=draw(text.filter(bool)),
        topic=".".join(draw(st.lists(words, max_size=4))),
        source=draw(text),
        tags=tuple(draw(st.lists(text, max_size=3))),
        metadata=draw(st.dictionaries(text, text, max_size=3)),
        confidence=draw(st.floats(0, 1)),
        priority=draw(st.integers(0, 100)),
        timestamp_ms=draw(whole),
        deadline_ms=draw(st.none() | whole),
        label=Label(draw(st.sampled_from(Confidentiality)), draw(st.booleans())),
        hop=draw(st.integers(0, 2**32 - 1)),
        **{name: draw(st.none() | text) for name in names},
    )


def facts(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in FIELDS}


numbers = st.none() | st.integers(0, 2**63 - 1)


@given(events(), numbers)
def test_every_event_comes_back(event: Event, seq: int | None) -> None:
    made = to_cloudevent(event, seq)
    back, number = from_cloudevent(made)
    assert (facts(back), number) == (facts(event), seq)
    assert to_cloudevent(back, seq) == made


@given(events(), numbers)
def test_every_event_comes_back_from_a_line(event: Event, seq: int | None) -> None:
    line = to_line(event, seq)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    [found] = read_lines(io.BytesIO(line), len(line))
    assert isinstance(found, Line)
    assert (facts(found.event), found.seq, found.number) == (facts(event), seq, 1)


@given(events(), numbers)
def test_the_packages_own_reader_agrees_and_what_it_writes_comes_back(event: Event, seq: int | None) -> None:
    theirs = JSONFormat().read(CloudEvent, to_line(event, seq))  # it checks names and types
    assert theirs.get_type() == event.type or "loomexact" in theirs.get_attributes()
    back, number = from_cloudevent(json.loads(JSONFormat().write(theirs)))
    assert (facts(back), number) == (facts(event), seq)


STRANGERS = st.fixed_dictionaries(
    {"id": words, "source": words.map("/".__add__), "type": words},
    optional={
        "subject": text.filter(bool),
        "datacontenttype": st.sampled_from(["application/json", "application/x+json"]),
        "partitionkey": words,
        "tracestate": words,
        "sampled": st.booleans() | st.integers(-(2**31), 2**31 - 1),
    },
)


@given(STRANGERS, st.none() | json_values.filter(lambda value: value is not None))
def test_what_the_package_makes_is_read_and_comes_back_to_it(attributes: dict[str, Any], data: Any) -> None:
    theirs = CloudEvent(dict(attributes), data)
    event, seq = from_cloudevent(json.loads(JSONFormat().write(theirs)))
    assert (event.id, event.source, event.type, seq) == (
        attributes["id"], attributes["source"], attributes["type"], None,
    )  # fmt: skip
    assert event.payload == data
    assert event.label == FOREIGN == Label(untrusted=True)
    assert event.key == attributes.get("partitionkey")
    again = JSONFormat().read(CloudEvent, to_line(event))
    assert (again.get_id(), again.get_source(), again.get_type()) == (event.id, event.source, event.type)
    assert again.get_data() == data
    ours, then = again.get_time(), theirs.get_time()
    assert ours is not None
    assert then is not None
    assert 0 <= (then - ours).total_seconds() < 0.001


def test_an_event_is_written_as_people_expect_it() -> None:
    event = Event(
        "face", {"score": 0.92}, topic="camera.front.face", source="camera", id="1a", timestamp_ms=1_793_000_000_123,
        tags=("new",), metadata={"room": "hall"}, confidence=0.5, priority=80, key="", deadline_ms=1_793_000_001_000,
        label=Label(Confidentiality.PRIVATE, untrusted=True), thread="t", scope="turn/1", cause="0f", hop=2,
        trace="00-ab-cd-01",
    )  # fmt: skip
    assert to_cloudevent(event, 7) == {
        "specversion": "1.0", "id": "1a", "source": "camera", "type": "face", "subject": "camera.front.face",
        "time": "2026-10-26T07:33:20.123Z", "datacontenttype": "application/json", "data": {"score": 0.92},
        "loomtopic": "camera.front.face", "loomlabel": "private, untrusted", "loomthread": "t", "loomscope": "turn/1",
        "loomcause": "0f", "loomhop": 2, "loompriority": 80, "loomconfidence": "0.5",
        "loomdeadline": "2026-10-26T07:33:21.000Z", "loomtags": '["new"]', "loommetadata": '{"room": "hall"}',
        "traceparent": "00-ab-cd-01", "loomseq": "7", "loomexact": '{"key": ""}',
    }  # fmt: skip


def test_a_plain_event_has_few_attributes() -> None:
    made = to_cloudevent(Event("tick", id="1", topic="clock.tick", timestamp_ms=0))
    assert made == {
        "specversion": "1.0", "id": "1", "source": "loom:nameless", "type": "tick", "subject": "clock.tick",
        "loomtopic": "clock.tick", "time": "1970-01-01T00:00:00.000Z", "loomlabel": "public",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "kind", "member"),
    [
        (b"\xff\0", "application/octet-stream", ("data_base64", "/wA=")),
        (b"", "application/octet-stream", ("data_base64", "")),
        ("grüße\n", "text/plain; charset=utf-8", ("data", "grüße\n")),
        ("", "text/plain; charset=utf-8", ("data", "")),
        (False, "application/json", ("data", False)),
        (Buffer(b"ab", "uint8"), "application/x-loom-buffer; dtype=uint8; shape=2", ("data_base64", "YWI=")),
    ],
)
def test_each_kind_of_payload_has_its_member(payload: object, kind: str, member: tuple[str, object]) -> None:
    made = to_cloudevent(Event("t", payload, id="1"))
    assert made["datacontenttype"] == kind
    assert {name: value for name, value in made.items() if name.startswith("data")} == {
        "datacontenttype": kind, member[0]: member[1],
    }  # fmt: skip
    assert from_cloudevent(made)[0].payload == payload


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "image/png", "application/x-loom-buffer"])
def test_no_payload_with_a_content_type_stays_none(kind: str) -> None:
    back, _ = from_cloudevent(to_cloudevent(Event("t", None, content_type=kind)))
    assert (back.payload, back.content_type) == (None, kind)


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Event("t", id=""), "id must be text"),
        (Event("", id="1"), "type must be a non-empty string"),
        (Event("t", source="\ud800"), "source must be text that UTF-8 can carry"),
        (Event("t", key=5), "key must be text"),  # type: ignore[arg-type]
        (Event("t", tags=["\udfff"]), "tags must be text"),
        (Event("t", metadata={"\udfff": ""}), "metadata must be text"),
        (Event("t", {1: 2}), "payload has the key 1"),
        (Event("t", math.nan), "payload is nan"),
        (Event("t", timestamp_ms=2**63), "timestamp_ms 9223372036854775808 is out of the range"),
        (Event("t", deadline_ms=-(2**63) - 1), "deadline_ms -9223372036854775809 is out"),
        (Event("t", hop=2**32), "hop 4294967296 is out"),
    ],
)
def test_what_cannot_be_written_is_named(event: Event, why: str) -> None:
    with pytest.raises(InvalidEvent, match=why):
        to_cloudevent(event)


def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        to_cloudevent(Event("t", b"12345"), limit=4)


# --- lines


def line(seq: int | None) -> bytes:
    return to_line(Event("t", id=f"e{seq}", topic="t"), seq)


def test_holes_in_the_numbers_are_told() -> None:
    stream = io.BytesIO(line(5) + line(6) + line(None) + line(9) + b"\n \r\n" + line(10) + line(12))
    found = list(read_lines(stream))
    assert [each if isinstance(each, Hole) else each[1:] for each in found] == [
        (5, 1), (6, 2), (None, 3), Hole(7, 8, 4), (9, 4), (10, 7), Hole(11, 11, 8), (12, 8),
    ]  # fmt: skip


def test_numbers_that_do_not_grow_are_refused() -> None:
    for seq in (5, 4):
        with pytest.raises(InvalidEvent, match=f"line 2: CloudEvent attribute 'loomseq' is {seq} after 5"):
            list(read_lines(io.BytesIO(line(5) + line(seq))))


class Endless:
    """A line that never ends, and how much of it was asked for."""

    asked = 0

    def readline(self, size: int) -> bytes:
        self.asked += size
        return b"x" * size


def test_an_endless_line_is_not_read_into_memory() -> None:
    stream = Endless()
    with pytest.raises(InvalidEvent, match=r"line 1 is longer than 1,000 bytes"):
        list(read_lines(stream, limit=1000))
    assert stream.asked == 1001


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line(1) + b"{}\n", "line 2: CloudEvent attribute 'id' is missing"),
        (line(1) + b"\n" + line(2)[:-20], "line 3: it is not JSON: .*; the file ends in the middle of it"),
        (b"\xff\n", "line 1: it is not JSON"),
        (
            b"[" + line(1) + b"]",
            r"line 1: it is a JSON array; write one event a line, for example with: jq -c",
        ),
        (b'"x"\n', "line 1: a CloudEvent is a JSON object, not str"),
        (b"[" * 100_000, "line 1: it is a JSON array"),
        (b'{"a":' * 100_000, "line 1: it is not JSON"),
        (b'{"a":NaN}\n', "line 1: it is not JSON"),
    ],
)
def test_errors_name_the_line(text: bytes, why: str) -> None:
    with pytest.raises(InvalidEvent, match=why):
        list(read_lines(io.BytesIO(text)))


def test_a_byte_order_mark_and_windows_line_ends_are_passed_over() -> None:
    text = b"\xef\xbb\xbf" + line(1).replace(b"\n", b"\r\n") + line(2).rstrip(b"\n")
    assert [each.seq for each in read_lines(io.BytesIO(text)) if isinstance(each, Line)] == [1, 2]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_invalid_event_or_events(data: bytes) -> None:
    try:
        assert all(isinstance(each, Line | Hole) for each in read_lines(io.BytesIO(data)))
    except InvalidEvent as error:
        said = str(error)
    else:
        said = "line "
    assert said.startswith("line ")
