"""What the router tells the rest of a runtime: events on its topics, and what was decided for those who watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from loom.event import HOP_LIMIT, PUBLIC, Event, Origin, QoS
from loom.models.decision import Route
from loom.models.model import ModelRequest
from loom.telemetry import Observers

DECISION = "loom.router.decision"
UNLABELLED = (DECISION,)
"""Topics whose payload says nothing of what a request holds."""


class Telling:
    """Publishes with *publish*; *noted* takes a decision and the id of the event behind it, *origin* gives its origin.

    An event of the router has the event of its step as cause, is one hop further, and no less confidential than the
    request, a decision aside: that says nothing of what the request holds. What a REALTIME handler asks here is not
    noted: an ear asks fifty times a second, and would push every other decision out.
    """

    def __init__(
        self,
        publish: Callable[[Event], object],
        observers: Observers,
        noted: Callable[[Mapping[str, Any], str, bool], object],
        origin: Callable[[str], Origin | None],
    ) -> None:
        self._publish, self._observers, self._noted = publish, observers, noted
        self._before = origin

    def __call__(self, topic: str, payload: Mapping[str, Any], request: ModelRequest) -> None:
        """Tell *payload* about *request*."""
        if topic == DECISION:
            kept = not (request.qos is QoS.REALTIME and payload["route"] == Route.LOCAL)
            self._noted(payload, request.event, kept)
            if kept:
                asked = payload["order"][0] if payload["order"] else str(payload["route"])
                self._observers.tell("decided", request.task, asked, payload["why"])
        origin = self._origin(topic, request)
        if origin.hop <= HOP_LIMIT:  # whoever listens and asks a model must not do so for ever
            self._publish(Event(topic.rpartition(".")[2], payload, topic=topic, source="loom", origin=origin))

    def _origin(self, topic: str, request: ModelRequest) -> Origin:
        label = PUBLIC if topic in UNLABELLED else request.label
        before = self._before(request.event)
        if before is None:
            return Origin(label, request.thread, request.scope, request.event or None)
        return before._replace(label=label, cause=request.event, hop=before.hop + 1)
