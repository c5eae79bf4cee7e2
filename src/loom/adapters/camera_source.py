"""Cameras for project files: what `use = "camera"` makes. A leaf: loaded by name."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

from loom.adapters import Source
from loom.adapters.camera import Camera, CameraOptions
from loom.errors import DeviceLost, WorkerDied
from loom.worker import Arena


class CameraSource(Source):
    """A camera as a source; whoever reads its frames in another process needs its `arena`."""

    arena: Arena


def camera(
    name: str,
    home: Path,
    topic: str = "camera.front.frame",
    rate: float = 30.0,
    width: int = 640,
    height: int = 480,
    folder: str | None = None,
    hold: float = 1.0,
    seed: int = 0,
    device: int | None = None,
    file: str | None = None,
    repeat: bool = False,
) -> Source:
    """Frames on *topic*: of a *device* (0: the first), a *file* (video or GIF), a *folder* of pictures, or scenes.

    Paths are below *home*, the project's folder. Raises ConfigError.
    """
    where, film = (None if path is None else str(home / path) for path in (folder, file))
    options = CameraOptions(rate, width, height, where, hold, seed, device=device, file=film, repeat=repeat)
    eye = Camera(options, name=name)

    async def shoot(out: Any) -> None:
        try:
            async with aclosing(eye.shots()) as shots:
                async for shot in shots:
                    await out(topic, shot)
        except WorkerDied as error:
            if device is None:
                raise
            raise DeviceLost(f"the process of camera device {device} ended: {error}") from error

    made = CameraSource(name, shoot, (topic,), eye.close)
    object.__setattr__(made, "arena", eye.arena)
    return made
