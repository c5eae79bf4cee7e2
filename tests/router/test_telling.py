"""What the router tells a runtime: every decision as an event, and for later those that somebody may ask about."""

from typing import Any

import pytest

from loom.event import Event, QoS
from loom.models import ModelRequest
from loom.router.telling import DECISION, Telling
from loom.telemetry import Observer, Observers

HERE = {"id": "d1", "task": "vad", "route": "local", "order": ["ear"], "why": "it can"}
THERE = {**HERE, "route": "cloud", "order": ["far"]}


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
    noted: list[bool] = []
    observers, watching = Observers(), Watching()
    observers.attach(watching)
    tell = Telling(
        published.append, observers, lambda facts, event, keep: noted.append(keep), lambda event: None
    )
    tell(DECISION, decision, ModelRequest("vad", qos=qos))
    assert [event.payload for event in published] == [decision]
    assert noted == [kept]
    assert watching.seen == decision["order"] * kept
