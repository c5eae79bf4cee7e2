"""Times and counts of a running camera demo, from the runtime's observer hooks."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Any

from loom.cli._camera_agents import FACES, FRAMES, PAGES
from loom.telemetry import Histogram, Observer

_KEPT = 8192  # pages that may be on their way; the queue holds half of that


class Meter(Observer):
    """How long it takes from a frame to the greeter's answer, and from a page to its place in the index.

    REALTIME durations are kept by phase (``quiet`` and ``flood`` in turns), so that one run shows what the flood
    costs. They begin when the camera took the frame, on the steady clock that all processes of a machine share.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.phase = "quiet"
        self.realtime = {"quiet": Histogram(), "flood": Histogram()}
        self.background = Histogram()
        self.frames = 0  # that reached the bus
        self.looked_at = 0
        self.pages = 0
        self.failed = 0
        self.found = self.expected = self.right = self.judged = self.false = (
            0  # faces; frames that were right, of how many
        )
        self.pictures: dict[str, Counter[int]] = {}  # how often each had how many faces
        self._clock = clock
        self._counts_from = math.inf
        self._faces_in: dict[str, int] = {}
        self._published: OrderedDict[str, float] = OrderedDict()

    def enter(self, phase: str) -> None:
        """A phase begins: frames that the camera takes from now on are timed."""
        self.phase = phase
        self._counts_from = self._clock()

    def leave(self) -> None:
        """It ends: frames are not timed until the next one."""
        self._counts_from = math.inf

    def routed(self, event: Any, queues: int) -> None:
        topic = event.topic
        if topic == PAGES:
            self._published[event.id] = self._clock()
            if len(self._published) > _KEPT:
                self._published.popitem(last=False)
        elif topic == FRAMES:
            self.frames += 1
        elif topic == FACES:
            self._faces_in[event.cause] = len(event.payload["faces"])

    def step_ended(self, agent: str, event: Any, outcome: str, seconds: float) -> None:
        if outcome != "committed":
            self.failed += outcome == "failed"
            return
        topic = event.topic
        if topic == PAGES:
            self.pages += 1
            published = self._published.pop(event.id, None)
            if published is not None:
                self.background.add(self._clock() - published)
        elif topic == FACES:
            captured = event.payload["captured"]
            if captured >= self._counts_from:
                self.realtime[self.phase].add(self._clock() - captured)
        elif topic == FRAMES:
            self._judge(event.payload, self._faces_in.pop(event.id, 0))

    def _judge(self, shot: Any, faces: int) -> None:
        self.looked_at += 1
        self.found += faces
        self.pictures.setdefault(shot.name, Counter())[faces] += 1
        if shot.faces is not None:
            self.judged += 1
            self.expected += shot.faces
            self.right += faces == shot.faces
            self.false += faces if not shot.faces else 0
