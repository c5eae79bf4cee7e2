"""The wire form: what is encoded comes back, and bytes from a stranger raise InvalidEvent or nothing."""

from __future__ import annotations

import array
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import InvalidEvent, PayloadTooLarge
from loom.event import Confidentiality, Event, Label
from loom.event.codec import Buffer, decode, encode

pytest.importorskip("google.protobuf")
from google.protobuf import struct_pb2

from loom.v1 import event_pb2

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.text("abcdefg_-", min_size=1, max_size=8)
whole = st.integers(-(2**63), 2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def buffers(draw: st.DrawFn) -> Buffer:
    dtype, size = draw(
        st.sampled_from([("uint8", 1), ("int16", 2), ("float32", 4), ("float64", 8), ("bool", 1)])
    )
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    rate = draw(st.none() | st.floats(0.1, 1e6))
    return Buffer(bytes(math.prod(shape) * size), dtype, shape, rate)


@st.composite
def events(draw: st.DrawFn) -> Event:
    optional = {
        "key": st.none() | text,
        "deadline_ms": st.none() | whole,
        "thread": st.none() | text,
        "scope": st.none() | text,
        "cause": st.none() | text,
        "trace": st.none() | text,
    }
    return Event(
        draw(text.filter(bool)),
        draw(json_values | st.binary(max_size=50) | buffers()),
        topic=".".join(draw(st.lists(words, max_size=4))),
        source=draw(text),
        tags=tuple(draw(st.lists(text, max_size=3))),
        metadata=draw(st.dictionaries(text, text, max_size=3)),
        confidence=draw(st.floats(0, 1, width=32)),
        priority=draw(st.integers(0, 100)),
        timestamp_ms=draw(whole),
        label=Label(draw(st.sampled_from(Confidentiality)), draw(st.booleans())),
        hop=draw(st.integers(0, 2**32 - 1)),
        **{name: draw(values) for name, values in optional.items()},
    )


FIELDS = (
    "id", "type", "payload", "topic", "source", "tags", "metadata", "confidence", "priority", "timestamp_ms", "key",
    "deadline_ms", "label", "thread", "scope", "cause", "hop", "trace",
)  # fmt: skip


@given(events())
def test_what_is_encoded_comes_back(event: Event) -> None:
    back = decode(encode(event))
    assert {name: getattr(back, name) for name in FIELDS} == {name: getattr(event, name) for name in FIELDS}
    assert encode(back) == encode(event)


@given(st.binary(max_size=300))
def test_garbage_is_an_invalid_event_or_an_event(data: bytes) -> None:
    try:
        assert isinstance(decode(data), Event)
    except InvalidEvent:
        pass


@given(events(), st.data())
def test_damaged_bytes_are_an_invalid_event_or_an_event(event: Event, data: st.DataObject) -> None:
    wire = bytearray(encode(event))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    del wire[data.draw(st.integers(0, len(wire))) :]
    try:
        decode(wire)
    except InvalidEvent:
        pass


def _wire(kind: str, payload: bytes) -> bytes:
    made: bytes = event_pb2.Event(id="1", type="t", payload=payload, content_type=kind).SerializeToString()
    return made


@pytest.mark.parametrize(
    "wire",
    {
        "cut off": _wire("text/plain", b"x")[:-1],
        "no UTF-8 in a field": b"\x0a\x01\xff",
        "no id": event_pb2.Event(type="t").SerializeToString(),
        "no type": event_pb2.Event(id="1").SerializeToString(),
        "deep JSON": _wire("application/json", b"[" * 200_000 + b"]" * 200_000),
        "endless integer": _wire("application/json", b"9" * 100_000),
        "no number": _wire("application/json", b"NaN"),
        "no text": _wire("text/plain", b"\xff"),
        "huge shape": _wire("application/x-loom-buffer; shape=99999999999999999999,9; dtype=int16", b"ab"),
        "object array": _wire("application/x-loom-buffer; shape=1; dtype=object", b"ab"),
    }.items(),
    ids=lambda wire: wire[0],
)
def test_hostile_bytes_are_an_invalid_event(wire: tuple[str, bytes]) -> None:
    with pytest.raises(InvalidEvent):
        decode(wire[1])


@given(text.filter(bool), st.binary(max_size=60), text)
def test_any_content_type_with_any_bytes(kind: str, payload: bytes, tail: str) -> None:
    for content_type in (kind, f"application/json{tail}", f"application/x-loom-buffer; shape={tail}; dtype=int16",
                         f"text/plain; charset={tail}", f"application/x-protobuf; messageType={tail}"):  # fmt: skip
        wire = event_pb2.Event(
            id="1", type="t", payload=payload, content_type=content_type
        ).SerializeToString()
        try:
            decode(wire)
        except InvalidEvent:
            pass


def test_the_nine_fields_keep_their_numbers_and_types() -> None:
    fields = {f.name: (f.number, f.type) for f in event_pb2.Event.DESCRIPTOR.fields}
    string, int64, int32, message, raw, single = 9, 3, 5, 11, 12, 2
    assert {name: kind for name, kind in fields.items() if kind[0] < 10} == {
        "id": (1, string), "type": (2, string), "timestamp_ms": (3, int64), "source": (4, string),
        "metadata": (5, message), "payload": (6, raw), "confidence": (7, single), "tags": (8, string),
        "priority": (9, int32),
    }  # fmt: skip


def test_an_event_of_the_original_without_a_content_type_has_bytes_for_payload() -> None:
    wire = event_pb2.Event(id="1", type="t", payload=b"\x00\x01").SerializeToString()
    assert decode(wire).payload == b"\x00\x01"


class Opaque: ...


@pytest.mark.parametrize(
    ("payload", "path", "kind"),
    [
        ({"faces": [{"box": 1}, {"when": Opaque()}]}, "payload.faces[1].when", "Opaque"),
        ({"a": {1: 2}}, "payload.a", "int"),
        ({"score": math.nan}, "payload.score", "nan"),
        ([1, {2}], "payload[1]", "set"),
        (Opaque(), "payload", "Opaque"),
    ],
)
def test_a_payload_without_json_form_is_named_with_path_and_type(
    payload: object, path: str, kind: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        encode(Event("x", payload))
    assert f"{path} " in str(caught.value)
    assert kind in str(caught.value)


def test_a_payload_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidEvent, match="contains itself"):
        encode(Event("x", loop))


@pytest.mark.parametrize("payload", ["x" * 2000, b"x" * 2000, ["x" * 2000], Buffer(bytes(2000))])
def test_above_the_limit_is_refused_with_limit_and_size(payload: object) -> None:
    with pytest.raises(PayloadTooLarge, match="1,000"):
        encode(Event("x", payload), limit=1000)
    event = Event("x", payload, topic="a.b")
    wire = encode(event)
    with pytest.raises(PayloadTooLarge, match="1,000"):
        decode(wire, limit=1000)
    with pytest.raises(PayloadTooLarge, match="1,000"):
        encode(event, limit=1000)


def test_a_hundred_megabytes_are_refused_with_the_limit_unless_it_is_raised() -> None:
    event = Event("x", bytes(100_000_000), topic="a.b")
    with pytest.raises(PayloadTooLarge, match=r"100,000,000 bytes is over the limit of 16,777,216 bytes"):
        encode(event)
    assert len(decode(encode(event, limit=200_000_000), limit=200_000_000).payload) == 100_000_000


def test_bytes_are_made_once_when_the_topic_is_set() -> None:
    event = Event("x", {"a": 1}, topic="a.b")
    assert encode(event) is encode(event)


def test_a_topic_given_by_the_first_publication_is_in_the_bytes_made_later() -> None:
    event = Event("x", {"a": 1})
    encode(event)
    assert decode(encode(event._stamp("a.b"))).topic == "a.b"


def test_unknown_confidentiality_is_refused_rather_than_read_as_public() -> None:
    wire = event_pb2.Event(id="1", type="t", confidentiality=17).SerializeToString()
    with pytest.raises(InvalidEvent, match="17"):
        decode(wire)


def test_fields_outside_their_range_are_refused() -> None:
    for fields in ({"confidence": 2.0}, {"priority": 101}, {"timestamp_ms": 2**70}, {"source": "\ud800"},
                   {"topic": "a..b"}, {"hop": -1}, {"metadata": {"a": 1}}):  # fmt: skip
        with pytest.raises(InvalidEvent):
            encode(Event("x", **fields))


def test_a_protobuf_message_comes_back_as_its_class_and_as_bytes_when_unknown() -> None:
    value = struct_pb2.Value(string_value="hi")
    assert decode(encode(Event("x", value))).payload == value
    event = Event("x", b"\x08\x01", content_type="application/x-protobuf; messageType=nobody.Knows")
    assert decode(encode(event)).payload == b"\x08\x01"


def test_bytes_with_a_content_type_of_their_own_pass() -> None:
    back = decode(encode(Event("x", b"\xff\xd8", content_type="image/jpeg")))
    assert (back.payload, back.content_type) == (b"\xff\xd8", "image/jpeg")
    with pytest.raises(InvalidEvent, match="image/jpeg"):
        encode(Event("x", {"a": 1}, content_type="image/jpeg"))


def test_arrays_of_the_standard_library_keep_dtype_and_shape() -> None:
    back = decode(encode(Event("x", array.array("h", [1, -2, 3])))).payload
    assert isinstance(back, Buffer)
    assert (back.dtype, back.shape, back.view().tolist()) == ("int16", (3,), [1, -2, 3])
    grid = memoryview(bytes(range(6))).cast("B", (2, 3))
    assert decode(encode(Event("x", grid))).payload.view().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_numpy_arrays_of_every_layout_keep_their_values() -> None:
    np = pytest.importorskip("numpy")
    for made in (np.arange(12.0).reshape(3, 4), np.arange(12, dtype="int64").reshape(3, 4).T, np.zeros((2, 0)),
                 np.float16([1.5]), np.array(3, dtype="uint16")):  # fmt: skip
        back = decode(encode(Event("x", made))).payload.numpy()
        assert (back.dtype, back.shape, back.tolist()) == (made.dtype, made.shape, made.tolist())
    with pytest.raises(InvalidEvent, match="format"):
        encode(Event("x", np.zeros(2, dtype=">i4")))
    with pytest.raises(InvalidEvent):
        encode(Event("x", np.array(["2026-01-01"], dtype="datetime64[D]")))


def test_a_buffer_that_contradicts_itself_is_refused() -> None:
    for wrong in (
        {"dtype": "complex64"},
        {"shape": (3, 3)},
        {"rate": -1.0},
        {"shape": (-2, -4)},
        {"dtype": "int64", "shape": [2]},
    ):
        with pytest.raises(InvalidEvent):
            Buffer(bytes(8), **wrong)


def test_a_frame_like_payload_crosses_as_a_copy() -> None:
    class Frame:
        def __loom_buffer__(self) -> Buffer:
            return Buffer(struct.pack("<2f", 1, 2), "float32", rate=30)

    back = decode(encode(Event("x", Frame()))).payload
    assert (back.view().tolist(), back.rate) == ([1.0, 2.0], 30)
