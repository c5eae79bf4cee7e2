"""What the router tells a runtime: every decision as an event, and for later those that somebody may ask about."""

from typing import Any

import pytest

from loom.bus._route import Route
from loom.errors import Closed
from loom.event import Event, QoS
from loom.models import ModelRequest
from loom.router.telling import DECISION, Telling
from loom.telemetry import Observer, Observers

HERE = {"id": "d1", "task": "vad", "route": "local", "order": ["ear"], "why": "it can"}
THERE = {**HERE, "route": "cloud", "order": ["far"]}


EARS = Route(None, (object(),), (), (), False)  # type: ignore[arg-type]  # a queue, whichever
SILENCE = Route(None, (), (), (), False)


def NOBODY(event: str) -> None:
    """No event is known."""


class Watching(Observer):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def decided(self, task: str, backend: str, reason: str) -> None:
        self.seen.append(backend)


@pytest.mark.parametrize(
    ("qos", "decision", "kept"),
    [
        (QoS.REALTIME, HERE, False),
        (QoS.REALTIME, THERE, True),
        (QoS.BATCHED, HERE, True),
        (QoS.BACKGROUND, HERE, True),
    ],
)
def test_what_an_ear_asks_fifty_times_a_second_is_told_and_not_noted(
    qos: QoS, decision: dict[str, Any], kept: bool
) -> None:
    published: list[Event] = []
    noted: list[str] = []
    observers, watching = Observers(), Watching()
    observers.attach(watching)
    tell = Telling(
        published.append,
        observers,
        lambda facts, event: noted.append(facts["id"]),
        NOBODY,
        lambda topic: EARS,
    )
    tell(DECISION, decision, ModelRequest("vad", qos=qos))
    assert [event.payload for event in published] == [decision]
    assert noted == ["d1"] * kept
    assert watching.seen == decision["order"] * kept


@pytest.mark.parametrize(
    ("found", "worth"),
    [
        (SILENCE, False), (EARS, True), (SILENCE._replace(direct=None), True), (SILENCE._replace(spooled=True), True),
        (SILENCE._replace(retained=True), True),
    ],
)  # fmt: skip
def test_where_nobody_listens_nothing_is_put_together_or_published(found: Route, worth: bool) -> None:
    published: list[Event] = []
    tell = Telling(published.append, Observers(), lambda facts, event: None, NOBODY, lambda topic: found)
    asked = ModelRequest("vad", qos=QoS.REALTIME)
    for topic in (DECISION, "loom.router.outcome"):
        assert tell.wants(topic, asked, "local") is worth
        tell(topic, HERE, asked)
    assert len(published) == 2 * worth
    assert tell.wants(DECISION, ModelRequest("chat"), "local"), "it is noted"


def test_where_the_bus_is_closed_nobody_listens() -> None:
    def closed(topic: str) -> Route:
        raise Closed("the bus")

    tell = Telling(lambda event: None, Observers(), lambda facts, event: None, NOBODY, closed)
    assert not tell.wants("loom.router.outcome", ModelRequest("chat"), "local")
