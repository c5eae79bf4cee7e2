"""What the router tells the rest of a runtime: events on its topics, and what was decided for those who watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from loom.errors import Closed
from loom.event import HOP_LIMIT, PUBLIC, Event, Origin, QoS
from loom.models.decision import Route
from loom.models.model import ModelRequest
from loom.telemetry import Observers

DECISION = "loom.router.decision"
UNLABELLED = (DECISION,)
"""Topics whose payload says nothing of what a request holds."""


class Listened(Protocol):
    """Where events on a topic go: *direct* is None where that hangs on the event."""

    @property
    def direct(self) -> Sequence[object] | None: ...

    @property
    def spooled(self) -> bool: ...

    @property
    def retained(self) -> bool: ...


class Telling:
    """Publishes with *publish* where *route* leads to somebody; *origin* gives the origin of the event of a step.

    *noted* takes a decision and the id of the event behind it. An event of the router has the event of its step as
    cause, is one hop further, and no less confidential than the request, a decision aside: that says nothing of what
    the request holds. What a REALTIME handler asks here is told to who listens and not noted: an ear asks fifty times
    a second, and would push every other decision out.
    """

    def __init__(
        self,
        publish: Callable[[Event], object],
        observers: Observers,
        noted: Callable[[Mapping[str, Any], str], object],
        origin: Callable[[str], Origin | None],
        route: Callable[[str], Listened],
    ) -> None:
        self._publish, self._observers, self._noted = publish, observers, noted
        self._before, self._route = origin, route

    def wants(self, topic: str, request: ModelRequest, route: str) -> bool:
        """Whether what became of *request* on *route* is worth putting together: somebody listens, or it is noted."""
        return (topic == DECISION and _noted(request, route)) or self._heard(topic)

    def __call__(self, topic: str, payload: Mapping[str, Any], request: ModelRequest) -> None:
        """Tell *payload* about *request*."""
        if topic == DECISION and _noted(request, payload["route"]):
            self._noted(payload, request.event)
            asked = payload["order"][0] if payload["order"] else str(payload["route"])
            self._observers.tell("decided", request.task, asked, payload["why"])
        if not self._heard(topic):
            return
        origin = self._origin(topic, request)
        if origin.hop <= HOP_LIMIT:  # whoever listens and asks a model must not do so for ever
            self._publish(Event(topic.rpartition(".")[2], payload, topic=topic, source="loom", origin=origin))

    def _heard(self, topic: str) -> bool:
        try:
            found = self._route(topic)
        except Closed:
            return False
        return found.direct is None or bool(found.direct) or found.spooled or found.retained

    def _origin(self, topic: str, request: ModelRequest) -> Origin:
        label = PUBLIC if topic in UNLABELLED else request.label
        before = self._before(request.event)
        if before is None:
            return Origin(label, request.thread, request.scope, request.event or None)
        return before._replace(label=label, cause=request.event, hop=before.hop + 1)


def _noted(request: ModelRequest, route: str) -> bool:
    return request.qos is not QoS.REALTIME or route != Route.LOCAL
