"""One run of `loom demo camera`: the runtime with everything in it, its two phases, and what can be read of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from loom import Loom, action, source
from loom.cli._camera_agents import FRAMES, PAGES, Detector, Greeter, Librarian, library
from loom.cli._memory import memory_of
from loom.cli._meter import Meter
from loom.errors import LoomError

if TYPE_CHECKING:
    from loom.adapters.camera import Camera
    from loom.bus import Queue, QueueStatistics
    from loom.models import WorkerModel

TURN, QUIET_SHARE = 4.0, 0.4  # seconds of quiet and flood together, and what of it is quiet
SETTLED = 0.02  # seconds between looks whether the flood's queue has filled, or emptied
DRAIN = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the user asked for: *seconds* of *rate* frames a second, pictures of *folder* or the packaged ones."""

    seconds: float = 20.0
    rate: float = 30.0
    folder: str | None = None
    seed: int = 0

    @property
    def phases(self) -> list[tuple[str, float]]:
        """Quiet and flood in turns, name and seconds: both see all scenes, and whatever else the machine does."""
        turns = max(2, round(self.seconds / TURN))
        turn = self.seconds / turns
        return [("quiet", turn * QUIET_SHARE), ("flood", turn * (1 - QUIET_SHARE))] * turns


@dataclass(slots=True)
class Reading:
    """What there was to see at one moment; times in seconds since the first frame could come."""

    seconds: float
    of_seconds: float
    phase: str
    meter: Meter
    queues: list[QueueStatistics]
    workers: dict[str, dict[str, Any]]
    memory: dict[str, int]
    shed: int = 0
    unreadable: list[str] = field(default_factory=list)
    unreadable_count: int = 0
    said: list[str] = field(default_factory=list)
    said_count: int = 0
    dead_letters: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    left: int = 0


class CameraRun:
    """Runs a Plan. *on_say* gets each greeting; `stop` ends the run early; `failure` is why it ended by itself."""

    def __init__(self, plan: Plan, on_say: Callable[[str], None] = lambda text: None) -> None:
        self.plan = plan
        self.meter = Meter()
        self.failure: LoomError | None = None
        self._on_say = on_say
        self._said: list[str] = []
        self._said_count = 0
        self._ended = asyncio.Event()
        self._flood = asyncio.Event()
        self._began: float | None = None
        self._left = 0
        self._loom = Loom("demo", seed=plan.seed, drain=DRAIN)
        self._camera, self._model = _devices(plan)
        self._queues: list[Queue] = []
        self._last: Reading | None = None

    def stop(self) -> None:
        """End the run now, in order."""
        self._ended.set()

    async def prepare(self) -> None:
        """Start the two worker processes and wait until they can work; raises what is missing."""
        loom = self._loom
        loom.observers.attach(self.meter)
        loom.add_model(self._model)
        loom.add(self._speaker(), Detector, Greeter, Librarian, self._eye(), self._books())
        self._queues = loom.bus.queues()
        from loom.event._codec_buffer import Buffer

        nothing = Buffer(bytes(48 * 64 * 3), "uint8", (48, 64, 3))
        await asyncio.gather(self._camera.worker.start(), loom.ask("faces.detect", nothing, timeout=60.0))

    async def perform(self) -> Reading:
        """The whole run: quiet, flood, drain; returns the last reading."""
        async with asyncio.TaskGroup() as group:
            clock = group.create_task(self._time())
            await self._loom.start()
            self._began = monotonic()
            await self._ended.wait()
            clock.cancel()
        return await self.finish()

    async def finish(self) -> Reading:
        """Drain and close; the last reading, of what was just before the processes ended and what was left after."""
        if self._last is None:
            last = self.reading()
            self._left = await self._loom.stop()
            await self._camera.close()
            last.queues = [queue.statistics() for queue in self._queues]
            last.left, last.said_count = self._left, self._said_count
            last.actions = self._loom.statistics().actions
            last.dead_letters = self._loom.statistics().dead_letters
            self._last = last
        return self._last

    def reading(self) -> Reading:
        """What there is to see now."""
        statistics, camera = self._loom.statistics(), self._camera.statistics()
        workers: dict[str, Any] = {"camera": camera["worker"], "faces": self._model.statistics()}
        pids = {"runtime": os.getpid(), **{name: worker["pid"] for name, worker in workers.items()}}
        return Reading(
            seconds=0.0 if self._began is None else monotonic() - self._began,
            of_seconds=self.plan.seconds,
            phase=self.meter.phase,
            meter=self.meter,
            queues=[queue.statistics() for queue in self._queues],
            workers=workers,
            memory={name: memory_of(pid) for name, pid in pids.items() if pid},
            shed=int(camera["shed"]),  # type: ignore[call-overload]
            unreadable=list(self._camera.unreadable),
            unreadable_count=int(camera["unreadable"]),  # type: ignore[call-overload]
            said=self._said[-3:],
            said_count=self._said_count,
            dead_letters=statistics.dead_letters,
            actions=statistics.actions,
        )

    async def _time(self) -> None:
        end = monotonic()
        for phase, seconds in self.plan.phases:
            end += seconds
            self.meter.leave()
            (self._flood.set if phase == "flood" else self._flood.clear)()
            while monotonic() < end and not self._settled(phase):
                await asyncio.sleep(SETTLED)
            self.meter.enter(phase)
            await asyncio.sleep(max(0.0, end - monotonic()))
        self._ended.set()

    def _settled(self, phase: str) -> bool:
        """Whether the flood's queue is full (in the flood) or empty (when it is quiet); between, nothing is timed."""
        [queue] = (queue for queue in self._queues if queue.name.startswith(Librarian.__name__))
        return len(queue) * 2 > queue.capacity if phase == "flood" else not len(queue)

    def _speaker(self) -> Any:
        @action("tts.speak", timeout=5)
        async def speak(text: str) -> None:
            self._said_count += 1
            self._said = [*self._said[-2:], text]
            self._on_say(text)

        return speak

    def _eye(self) -> Any:
        @source("camera")
        async def eye(out: Any) -> None:
            try:
                async for shot in self._camera.shots():
                    await out(FRAMES, shot)
            except LoomError as error:  # no second try in a demo: say it and end
                self.failure = error
                self._ended.set()

        return eye

    def _books(self) -> Any:
        @source("library")
        async def books(out: Any) -> None:
            pages = library()
            for number in count():
                await self._flood.wait()
                await out(PAGES, pages[number % len(pages)])

        return books


def _devices(plan: Plan) -> tuple[Camera, WorkerModel]:
    from loom.adapters.camera import Camera, CameraOptions
    from loom.models import WorkerModel, face
    from loom.worker import Worker

    camera = Camera(CameraOptions(rate=plan.rate, folder=plan.folder, seed=plan.seed))
    worker = Worker("faces", face.SPEC, arenas=(camera.arena,))
    return camera, WorkerModel("faces", worker, {face.TASK: "detect"})
