"""A camera: frames at a steady rate from a process of its own, through shared memory, shed when nobody keeps up.

Its pictures are packaged photographs or the files of a folder; a device would be one more source of the same shots.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from loom.errors import ConfigError
from loom.worker import Arena, Frame, Worker

SPEC = "loom.adapters._camera_source:factory"
ARENA = "camera"


@dataclass(frozen=True, slots=True)
class CameraOptions:
    """*rate* frames a second of *width* x *height* pixels, from one of three, and *slots* of them fit in memory.

    *device*: the number of a real camera, 0 the first. *file*: a video or a GIF at its own speed, again and again with
    *repeat*. *folder*: pictures, each shown *hold* seconds. With none of them: scenes from packaged photographs, the
    same for the same *seed*.
    """

    rate: float = 30.0
    width: int = 640
    height: int = 480
    folder: str | None = None
    hold: float = 1.0
    seed: int = 0
    slots: int = 8
    device: int | None = None
    file: str | None = None
    repeat: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1000 or not (16 <= self.width <= 7680 and 16 <= self.height <= 4320):
            raise ConfigError(
                f"camera of {self.rate} frames/s, {self.width} x {self.height}: use 1..1000, 16..7680 x 16..4320"
            )
        named = [key for key in ("device", "file", "folder") if getattr(self, key) is not None]
        if len(named) > 1 or (self.device is not None and not 0 <= self.device < 1000):
            raise ConfigError(
                f"camera of {' and '.join(named)} (device {self.device}): name one of them, devices from 0"
            )


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame and what is known of it: *faces* is how many there are to find, None for pictures of the user.

    *captured_ms* is Unix milliseconds, *captured* the steady clock of the machine, seconds. *shed* counts the
    frames that were left out so far.
    """

    frame: Frame
    number: int
    name: str
    faces: int | None
    captured_ms: int
    captured: float
    shed: int


class Camera:
    """Shots from a worker process that starts with the first `shots`. Give `arena` to whoever reads the frames."""

    def __init__(self, options: CameraOptions | None = None, *, name: str = "camera") -> None:
        self.options = options or CameraOptions()
        o = self.options
        self.arena = Arena(ARENA, slots=o.slots, slot_bytes=o.width * o.height * 3)
        config: dict[str, Any] = {
            "rate": o.rate,
            "width": o.width,
            "height": o.height,
            "folder": o.folder,
            "hold": o.hold,
        }
        config |= {"seed": o.seed, "device": o.device, "file": o.file, "repeat": o.repeat}
        self.worker = Worker(name, SPEC, config, produces=(self.arena,))
        self.unreadable: list[str] = []
        self._shots = self._shed = self._unreadable = 0

    async def shots(self, *, count: int | None = None, paced: bool = True) -> AsyncGenerator[Shot, None]:
        """*count* shots, or without end; not *paced*: as fast as frames are taken.

        Raises ConfigError for a folder without a readable picture and what `Worker.stream` raises.
        """
        body = {"count": count, "paced": paced}
        async with aclosing(self.worker.stream("frames", body, window=self.options.slots)) as items:
            async for item in items:
                yield self._shot(item)

    def statistics(self) -> Mapping[str, object]:
        """Shots, frames shed, pictures that could not be read, slots of the arena, and the worker's snapshot."""
        own = {"shots": self._shots, "shed": self._shed, "unreadable": self._unreadable}
        return {**own, "arena": self.arena.statistics(), "worker": self.worker.statistics()}

    async def close(self) -> None:
        """End the worker and give the memory back."""
        await self.worker.close()
        self.arena.close()

    async def __aenter__(self) -> Camera:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def _shot(self, item: Any) -> Shot:
        self._shots += 1
        self._shed = item["shed"]
        self._unreadable = item["unreadable_count"]
        self.unreadable = item["unreadable"]
        known = ("frame", "number", "name", "faces", "captured_ms", "captured", "shed")
        return Shot(**{field: item[field] for field in known})
