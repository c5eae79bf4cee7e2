"""The camera's worker: draws or reads pictures at a steady rate into shared memory, and sheds when nobody keeps up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.adapters._camera_capture import device_pictures, film_pictures
from loom.adapters._camera_pictures import (
    Size,
    fit,
    list_pictures,
    open_picture,
    packaged_pictures,
)
from loom.adapters._camera_scenes import Scenery, scene
from loom.errors import ConfigError, UnreadablePicture

if TYPE_CHECKING:
    from PIL.Image import Image

    from loom.worker import CallContext, FrameWriter, Host

ARENA = "camera"
Picture = tuple[str, "int | None", "Callable[[], Image]"]


def factory(host: Host) -> Mapping[str, Callable[[Any, CallContext], object]]:
    """The stream `frames`.

    Config: "rate", "width", "height", "seed", "folder", "hold" (seconds per picture), "device", "file", "repeat".
    """
    config = host.config
    size = (config["width"], config["height"])
    problems: list[str] = []

    def open_source(pace: Pace) -> Iterator[Picture]:
        if config.get("device") is not None:
            return device_pictures(config["device"], size, config["rate"])
        if config.get("file"):
            return film_pictures(config["file"], size, pace.clock(config["rate"]), config["repeat"])
        if config.get("folder"):
            return folder_pictures(
                config["folder"], size, max(1, round(config["hold"] * config["rate"])), problems
            )
        return scenery_pictures(size, config["seed"], config["rate"])

    def frames(body: Any, call: CallContext) -> Iterator[object]:
        """{"count": frames or None, "paced": bool}: items with the frame, its number, name, faces, time, losses."""
        pace = Pace(config["rate"] if body.get("paced", True) else None, time.monotonic())
        return shoot(
            open_source(pace), host.writer(ARENA), call, Shoot(size, pace, body.get("count"), problems)
        )

    return {"frames": frames}


class Pace:
    """An absolute schedule of *rate* ticks a second from *start*; None: no schedule, as fast as it goes."""

    def __init__(self, rate: float | None, start: float) -> None:
        self._rate = rate
        self._start = start
        self.tick = 0
        self.missed = 0

    def due(self, now: float) -> float:
        """Seconds until the next tick. Ticks that have passed entirely are missed, and counted."""
        if self._rate is None:
            return 0.0
        behind = int((now - self._start) * self._rate) - self.tick
        if behind > 0:
            self.missed += behind
            self.tick += behind
        return self._start + self.tick / self._rate - now

    def clock(self, rate: float) -> Callable[[int], float]:
        """When the frame with this number is shown, in seconds: by the schedule, or without one at *rate*.

        The schedule counts from the second frame on: the first one comes when everything has been opened.
        """
        began = 0

        def shown(number: int) -> float:
            nonlocal began
            if number <= 1 or self._rate is None:
                began = self.tick - number
            return (self.tick - began) / rate

        return shown

    @property
    def steady(self) -> bool:
        """Whether there is a schedule to keep, so that a full arena means to shed rather than to wait."""
        return self._rate is not None


class Shoot:
    """What one stream is to deliver."""

    def __init__(self, size: Size, pace: Pace, count: int | None, problems: list[str]) -> None:
        self.size, self.pace, self.count, self.problems = size, pace, count, problems
        self.shed = 0


def shoot(source: Iterator[Picture], writer: FrameWriter, call: CallContext, what: Shoot) -> Iterator[object]:
    """Items at the pace of *what*; a frame without a free slot or credit is shed at a steady pace, else waited for."""
    width, height = what.size
    number = 0
    picture: Picture | None = None
    while what.count is None or number < what.count:
        if call.wait(what.pace.due(time.monotonic())):
            return
        what.pace.tick += 1
        if call.credit <= 0 or not writer.free:
            if what.pace.steady:
                what.shed += 1
            else:
                call.listen(1.0)
            continue
        picture = picture or next(source, None)
        if picture is None:
            return
        slot = writer.slot()
        if slot is None:
            continue
        captured_ms, captured = time.time_ns() // 1_000_000, time.monotonic()
        (name, faces, draw), picture = picture, None
        slot.view[: width * height * 3] = draw().tobytes()
        yield {
            "frame": slot.frame((height, width, 3), "uint8"),
            "number": number,
            "name": name,
            "faces": faces,
            "captured_ms": captured_ms,
            "captured": captured,
            "shed": what.shed + what.pace.missed,
            "unreadable": list(what.problems[-8:]),
            "unreadable_count": len(what.problems),
        }
        number += 1


def scenery_pictures(size: Size, seed: int, rate: float) -> Iterator[Picture]:
    """Scene after scene of the packaged photographs, without end."""
    scenery = Scenery(packaged_pictures(), size)
    index = 0
    while True:
        current = scene(seed, index, rate)
        for frame in range(current.frames):
            yield current.name, current.faces, lambda s=current, f=frame: scenery.draw(s, f)  # type: ignore[misc]
        index += 1


def folder_pictures(folder: str, size: Size, hold: int, problems: list[str]) -> Iterator[Picture]:
    """The user's pictures by name, each for *hold* frames, without end; what cannot be read is noted and left out.

    Raises ConfigError when none can be read.
    """
    paths = list_pictures(folder)
    while paths:
        for path in list(paths):
            try:
                image = fit(open_picture(path, size), size)
            except UnreadablePicture as error:
                problems.append(str(error))
                paths.remove(path)
                continue
            for _ in range(hold):
                yield Path(path).name, None, lambda shown=image: shown  # type: ignore[misc]
    raise ConfigError(f"none of the pictures in {folder!r} can be read; the last: {problems[-1]}")
