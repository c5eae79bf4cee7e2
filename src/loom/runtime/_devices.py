"""Built-in devices for project files: cameras. A leaf: loaded by name."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

from loom.adapters import Source
from loom.adapters.camera import Camera, CameraOptions
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
) -> Source:
    """Frames on *topic*, from pictures in *folder* (below *home*, the project's) or from packaged photographs."""
    where = None if folder is None else str(home / folder)
    device = Camera(CameraOptions(rate, width, height, where, hold, seed), name=name)

    async def shoot(out: Any) -> None:
        async with aclosing(device.shots()) as shots:
            async for shot in shots:
                await out(topic, shot)

    made = CameraSource(name, shoot, close=device.close)
    object.__setattr__(made, "arena", device.arena)
    return made
