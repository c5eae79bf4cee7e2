"""The camera: frames at a pace, the same for the same seed, shed when nobody takes them, whatever the pictures are."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from loom.adapters.camera import Camera, CameraOptions, Shot
from loom.errors import ConfigError
from loom.worker import Worker

Images = pytest.importorskip("PIL.Image")

SMALL = {"width": 64, "height": 48}


def save(path: Path, color: str = "red", size: tuple[int, int] = (30, 20)) -> None:
    Images.new("RGB", size, color).save(path)


async def shoot(options: CameraOptions, count: int) -> tuple[list[Shot], list[bytes], Camera]:
    shots, contents = [], []
    async with Camera(options) as camera:
        async with aclosing(camera.shots(count=count, paced=False)) as source:
            async for shot in source:
                contents.append(bytes(shot.frame.view()))
                shot.frame.release()
                shots.append(shot)
        return shots, contents, camera


async def test_the_same_seed_gives_the_same_frames_and_another_one_others() -> None:
    pytest.importorskip("numpy")
    first, pictures, _ = await shoot(CameraOptions(**SMALL, seed=3), 80)
    again, same, _ = await shoot(CameraOptions(**SMALL, seed=3), 80)
    _, other, _ = await shoot(CameraOptions(**SMALL, seed=4), 80)
    assert pictures == same
    assert pictures != other
    assert [(s.number, s.name, s.faces) for s in first] == [(s.number, s.name, s.faces) for s in again]
    assert [s.number for s in first] == list(range(80))
    assert first[0].frame.shape == (48, 64, 3)
    assert {s.faces for s in first} >= {0, 1}
    assert all(s.captured_ms > 0 and s.captured > 0 for s in first)


async def test_frames_of_a_folder_come_by_name_fitted_and_without_what_is_no_picture(tmp_path: Path) -> None:
    save(tmp_path / "b.png", "lime", (48, 48))
    save(tmp_path / "a.JPG", "red", (128, 96))
    save(tmp_path / "c.webp", "blue", (64, 48))
    save(tmp_path / ".hidden.png")
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    shots, contents, camera = await shoot(CameraOptions(**SMALL, folder=str(tmp_path), rate=2, hold=1), 8)
    assert [s.name for s in shots] == ["a.JPG"] * 2 + ["b.png"] * 2 + ["c.webp"] * 2 + ["a.JPG"] * 2
    assert all(s.faces is None for s in shots)
    assert contents[0][:3] == b"\xfe\x00\x00"
    assert contents[2][:3] == b"\x00\x00\x00"  # letterboxed: black beside the square
    assert contents[2][3 * 32 : 3 * 32 + 3] == b"\x00\xff\x00"
    assert camera.statistics()["unreadable"] == 1
    assert "broken.png" in camera.unreadable[0]


@pytest.mark.parametrize("content", ["nothing", "text", "truncated"])
async def test_a_folder_without_a_readable_picture_is_a_config_error(tmp_path: Path, content: str) -> None:
    if content == "text":
        (tmp_path / "a.txt").write_text("x")
    if content == "truncated":
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ConfigError, match=str(tmp_path)):
        await shoot(CameraOptions(**SMALL, folder=str(tmp_path)), 1)


async def test_a_folder_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        await shoot(CameraOptions(**SMALL, folder=str(tmp_path / "no")), 1)


async def test_a_reader_that_holds_frames_makes_the_camera_shed() -> None:
    pytest.importorskip("numpy")
    async with Camera(CameraOptions(**SMALL, rate=500, slots=2)) as camera:
        async with aclosing(camera.shots()) as shots:
            held = [await anext(shots), await anext(shots)]
            waiting = asyncio.create_task(anext(shots))
            for _ in range(5):
                await asyncio.wait({waiting}, timeout=0.02)
            assert not waiting.done()
            held.pop().frame.release()
            third = await waiting
            assert third.shed > 0
            assert third.number == 2
        assert camera.statistics()["shed"] == third.shed


@pytest.mark.parametrize("other", [SMALL, {"width": 32, "height": 24}])
async def test_frames_of_two_cameras_are_never_mixed_up_by_their_reader(
    tmp_path: Path, other: dict[str, int]
) -> None:
    cameras = []
    for color, size in (("red", SMALL), ("blue", other)):
        (tmp_path / color).mkdir()
        save(tmp_path / color / "a.png", color, (size["width"], size["height"]))
        cameras.append(Camera(CameraOptions(**size, folder=str(tmp_path / color))))
    reader = Worker("reader", "tests.worker.behaviours:factory", arenas=[c.arena for c in cameras])

    async def look(camera: Camera, size: dict[str, int], pixel: list[int]) -> None:
        async with aclosing(camera.shots(count=40, paced=False)) as shots:
            async for shot in shots:
                looked = await reader.call("look", shot.frame, timeout=60)
                assert looked == {"shape": [size["height"], size["width"], 3], "pixels": [pixel]}
                shot.frame.release()

    async with cameras[0], cameras[1], reader, asyncio.TaskGroup() as group:
        group.create_task(look(cameras[0], SMALL, [255, 0, 0]))
        group.create_task(look(cameras[1], other, [0, 0, 255]))


def test_options_out_of_range_are_a_config_error() -> None:
    for wrong in ({"rate": 0}, {"width": 4}, {"height": 100_000}):
        with pytest.raises(ConfigError, match="camera of"):
            CameraOptions(**wrong)
