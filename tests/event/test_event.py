"""An event is immutable, cheap, and named so that no two share an id and ids sort by time."""

import os
import subprocess
import sys
import threading
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.errors import InvalidEvent
from loom.event import ROOT, Confidentiality, Event, Label, Origin
from loom.event import event as module
from loom.event.event import FIELDS, check

FULL = {
    "topic": "a.b",
    "source": "cam",
    "tags": ("x", "y"),
    "metadata": {"room": "kitchen"},
    "confidence": 0.5,
    "priority": 7,
    "timestamp_ms": 1_700_000_000_000,
    "id": "given",
    "content_type": "text/plain",
    "key": "k",
    "deadline_ms": 1_700_000_001_000,
    "label": Label(Confidentiality.PRIVATE, True),
    "thread": "conversation",
    "scope": "turn-1/search",
    "cause": "earlier",
    "hop": 3,
    "trace": "00-aa-bb-01",
}


def test_every_field_is_what_was_given() -> None:
    event = Event("face_event", {"score": 1}, **FULL)  # type: ignore[arg-type]
    assert {"type", "payload", *FULL} == set(FIELDS)
    assert (event.type, event.payload) == ("face_event", {"score": 1})
    assert {name: getattr(event, name) for name in FULL} == FULL


def test_the_fields_of_an_event_have_defaults() -> None:
    event = Event("t")
    given = {name: getattr(event, name) for name in FIELDS if name not in ("id", "timestamp_ms")}
    assert given == {
        "type": "t", "payload": None, "topic": "", "source": "", "tags": (), "metadata": {}, "confidence": 1.0,
        "priority": 50, "content_type": None, "key": None, "deadline_ms": None, "label": Label(), "thread": None,
        "scope": None, "cause": None, "hop": 0, "trace": None,
    }  # fmt: skip
    assert event.origin is ROOT


@pytest.mark.parametrize("name", [*FIELDS, "nbytes", "origin", "anything"])
def test_nothing_of_an_event_can_be_set_or_deleted(name: str) -> None:
    event = Event("t", **FULL)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        setattr(event, name, "new")
    with pytest.raises(AttributeError):
        delattr(event, name)
    assert not hasattr(event, "__dict__")


def test_what_the_caller_changes_afterwards_changes_no_event() -> None:
    tags, metadata = ["x"], {"room": "kitchen"}
    event = Event("t", tags=tags, metadata=metadata)
    seen_through = Event("t", metadata=MappingProxyType(metadata))
    tags.append("y")
    metadata["room"] = "bath"
    assert event.tags == ("x",)
    assert event.metadata == seen_through.metadata == {"room": "kitchen"}
    with pytest.raises(TypeError):
        event.metadata["room"] = "cellar"  # type: ignore[index]


def test_tags_from_a_generator_can_be_read_again() -> None:
    event = Event("t", tags=(letter for letter in "xy"))
    assert event.tags == event.tags == ("x", "y")


def test_a_payload_is_held_by_reference() -> None:
    payload = bytearray(10)
    event = Event("t", payload)
    assert event.payload is payload
    assert event.replace(type="u").payload is payload


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"colour": "red"}, "no field 'colour'; it has type, payload, topic"),
        ({"colour": "red", "hop": 1}, "no field 'colour'"),
        ({"tags": "word"}, "tags must be strings in a list or tuple, not 'word'"),
        ({"tags": 5}, "tags must be"),
        ({"metadata": 5}, "metadata maps strings to strings"),
        ({"timestamp_ms": "noon"}, "timestamp_ms must be Unix milliseconds, not 'noon'"),
    ],
)
def test_fields_that_cannot_be_are_named(fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidEvent, match=says):
        Event("t", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"type": ""}, "type must be"),
        ({"tags": (1,)}, "tags must be"),
        ({"confidence": 1.5}, "confidence must be between 0 and 1"),
        ({"confidence": float("nan")}, "confidence"),
        ({"priority": 101}, "priority must be a whole number from 0 to 100"),
        ({"priority": 1.5}, "priority"),
        ({"metadata": {"a": 1}}, "metadata maps strings to strings, not 'a' to 1"),
    ],
)
def test_outside_data_is_checked_field_by_field(fields: dict[str, object], says: str) -> None:
    event = Event(**{"type": "t", **fields})  # type: ignore[arg-type]
    with pytest.raises(InvalidEvent, match=says):
        check(event)


# --- derived events ---------------------------------------------------------------------------------------------------


def test_replace_changes_what_is_named_and_gives_a_new_id() -> None:
    event = Event("t", 1, **FULL)  # type: ignore[arg-type]
    other = event.replace(payload=2, hop=4)
    assert (other.payload, other.hop) == (2, 4)
    assert other.id != event.id
    kept = set(FIELDS) - {"payload", "hop", "id"}
    assert {n: getattr(other, n) for n in kept} == {n: getattr(event, n) for n in kept}
    assert event.replace(id="mine").id == "mine"
    with pytest.raises(InvalidEvent, match="no field 'colour'"):
        event.replace(colour="red")


def test_the_chain_behind_an_event_survives_replace_and_a_second_topic() -> None:
    """An event past its hop limit is dead-lettered with the chain that made it."""
    origin = Origin(cause="x", hop=2, trail=(("a", "1"), ("b", "2")))
    event = Event("t", topic="c", origin=origin)
    assert event.replace(payload=1).origin.trail == origin.trail
    assert event._stamp("d").origin == origin
    assert event.replace(hop=5).origin == origin._replace(hop=5)
    assert Event("t", origin=origin, scope="s").origin == origin._replace(scope="s")


def test_the_first_topic_is_the_events_own_and_another_one_makes_a_copy_with_the_same_id() -> None:
    event = Event("t")
    assert event._stamp("a") is event
    assert event._stamp("a") is event
    copy = event._stamp("b")
    assert (copy.topic, event.topic, copy.id) == ("b", "a", event.id)


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_sort_by_time_and_within_a_millisecond_by_order() -> None:
    stamps = [5, 5, 5, 6, 2**40, 2**47]
    ids = [Event("t", timestamp_ms=stamp).id for stamp in stamps]
    assert sorted(ids) == ids
    assert len({len(i) for i in ids}) == 1


def test_an_id_does_not_change_and_may_be_asked_for_late() -> None:
    first, second = Event("t", timestamp_ms=5), Event("t", timestamp_ms=5)
    late = second.id
    assert first.id < late
    assert first.id == first.id


def test_ids_are_unique_across_threads() -> None:
    ids: list[str] = []

    def make() -> None:
        ids.extend([Event("t", timestamp_ms=1).id for _ in range(5000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20_000


FORKS = """
import os
from loom.event import Event

def ids():
    return [Event("t", timestamp_ms=1).id for _ in range(100)]

ids()  # the counter is there before the process is doubled
for _ in range(2):
    if os.fork() == 0:
        os.write(1, " ".join([*ids(), ""]).encode())
        os._exit(0)
    os.wait()
print(*ids())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_ids_are_unique_across_forks() -> None:
    """In a process of its own: one that has threads cannot be doubled safely."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, check=True, timeout=60
    )
    ids = done.stdout.split()
    assert (len(ids), len(set(ids))) == (300, 300)


def test_nothing_is_asked_of_the_operating_system_for_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"os.{name} was asked")

    monkeypatch.setattr(module, "os", Nothing())
    assert len({Event("t").id for _ in range(1000)}) == 1000


def test_milliseconds_may_be_given_as_a_float() -> None:
    assert Event("t", timestamp_ms=1_700_000_000_000.9).timestamp_ms == 1_700_000_000_000  # type: ignore[arg-type]


@given(st.integers(-1000, 1000))
def test_an_event_is_expired_after_its_deadline(now: int) -> None:
    assert Event("t", deadline_ms=0).expired(now) == (now > 0)
    assert not Event("t").expired(now)


# --- size -------------------------------------------------------------------------------------------------------------


class Frame:
    nbytes = 6_000_000


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (None, 0),
        (b"12345", 5),
        (bytearray(7), 7),
        (memoryview(bytes(9)), 9),
        ("grün", 5),
        ("\ud800", 3),
        (1.5, 8),
        (Frame(), 6_000_000),
        ({"a": b"123", "b": [b"1", b"2"]}, 1 + 3 + 1 + 2),
        (["ab", ("cd",), {"ef"}], 6),
    ],
)
def test_the_size_of_a_payload_is_known_without_copying_it(payload: object, size: int) -> None:
    assert Event("t", payload).nbytes == size


def test_a_payload_that_contains_itself_has_a_size() -> None:
    ring: list[object] = []
    ring.append(ring)
    assert Event("t", ring).nbytes == 8
