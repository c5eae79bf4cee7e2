"""Real cameras and films: the frames of a video or a GIF at their own speed, and a device that is not there says so."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from loom.adapters._camera_capture import device_pictures, film_pictures
from loom.adapters._camera_source import Pace
from loom.adapters.camera import Camera, CameraOptions
from loom.errors import ConfigError, DeviceLost, MissingExtra, UnreadablePicture
from loom.runtime._config_build import build
from loom.runtime.config import parse_project
from loom.testing import Probe

Images = pytest.importorskip("PIL.Image")
SIZE = (64, 48)
GREY = [20, 60, 100, 140, 180, 220]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames at ten a second, each of another grey."""
    cv2, numpy = pytest.importorskip("cv2"), pytest.importorskip("numpy")
    path = tmp_path_factory.mktemp("film") / "six.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, SIZE)
    for grey in GREY:
        writer.write(numpy.full((SIZE[1], SIZE[0], 3), (grey, grey, 255 - grey), numpy.uint8))
    writer.release()
    return path


@pytest.fixture(scope="module")
def gif(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames: 0.1, 0.3 and 0.1 seconds."""
    path = tmp_path_factory.mktemp("gif") / "three.gif"
    frames = [Images.new("RGB", SIZE, (grey, grey, grey)) for grey in GREY[:3]]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 300, 100])
    return path


def greys(frames: Any) -> list[int]:
    """Which of GREY each frame shows, by the first byte of its last pixel but one (what is coded is not exact)."""
    seen = [draw().getpixel((SIZE[0] // 2, SIZE[1] // 2))[2] for _, _, draw in frames]
    return [min(GREY, key=lambda grey: abs(grey - each)) for each in seen]


def at(rate: float) -> Any:
    return lambda number: number / rate


def test_a_video_is_played_at_its_own_speed_whatever_the_rate_of_frames(video: Path) -> None:
    assert greys(film_pictures(str(video), SIZE, at(10), False)) == GREY
    assert greys(film_pictures(str(video), SIZE, at(5), False)) == GREY[::2]
    assert greys(film_pictures(str(video), SIZE, at(20), False)) == [grey for grey in GREY for _ in range(2)]
    again = islice(film_pictures(str(video), SIZE, at(10), True), 14)
    assert greys(again) == (GREY * 3)[:14]


def test_colours_are_red_green_blue_and_other_sizes_are_fitted(video: Path) -> None:
    name, faces, draw = next(film_pictures(str(video), (128, 48), at(10), False))
    assert (name, faces) == ("six.avi", None)
    red, _, blue = draw().getpixel((64, 24))
    assert red > 200 > 60 > blue
    assert draw().size == (128, 48)
    assert draw().getpixel((2, 24)) == (0, 0, 0)


def test_a_gif_shows_each_frame_as_long_as_it_says(gif: Path) -> None:
    one, two, three = GREY[:3]
    assert greys(film_pictures(str(gif), SIZE, at(10), False)) == [one, two, two, two, three]
    again = islice(film_pictures(str(gif), SIZE, at(10), True), 7)
    assert greys(again) == [one, two, two, two, three, one, two]


def test_frames_that_were_shed_are_skipped_so_that_the_film_keeps_its_time(video: Path) -> None:
    pace = Pace(10.0, 0.0)
    film = film_pictures(str(video), SIZE, pace.clock(10.0), False)
    frames = []
    for tick in (1, 40, 41, 44):  # what opening takes is not missed, two ticks without a frame are
        pace.tick = tick
        frames.append(next(film))
    assert greys(frames) == [GREY[0], GREY[1], GREY[2], GREY[5]]


@pytest.mark.parametrize("content", ["missing", "text", "empty", "truncated gif", "playlist", "folder"])
def test_what_is_no_film_is_unreadable_and_named(tmp_path: Path, gif: Path, content: str) -> None:
    pytest.importorskip("cv2")
    path = tmp_path / "film"
    if content == "folder":
        path.mkdir()
    elif content != "missing":
        playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"
        texts = {"text": b"no film", "empty": b"", "truncated gif": gif.read_bytes()[:40]}
        path.write_bytes(texts.get(content, playlist.encode()))
    with pytest.raises(UnreadablePicture, match="film"):
        list(film_pictures(str(path), SIZE, at(10), False))


def test_a_device_that_is_not_there_is_lost_with_the_alternatives() -> None:
    pytest.importorskip("cv2")
    with pytest.raises(DeviceLost, match=r'device 99 cannot be opened.*file = .* or folder = "pictures"'):
        next(device_pictures(99, SIZE, 30))


class FakeCv2:
    """A camera that gives two frames and is then unplugged."""

    CAP_PROP_FRAME_WIDTH = CAP_PROP_FRAME_HEIGHT = CAP_PROP_FPS = CAP_PROP_BUFFERSIZE = COLOR_BGR2RGB = 0
    released = 0

    def VideoCapture(self, number: int) -> FakeCv2:
        self.left = 2
        return self

    def isOpened(self) -> bool:
        return True

    def set(self, key: int, value: float) -> None: ...

    def read(self) -> tuple[bool, Any]:
        numpy = pytest.importorskip("numpy")
        self.left -= 1
        return self.left >= 0, numpy.zeros((48, 64, 3), numpy.uint8)

    def cvtColor(self, frame: Any, code: int) -> Any:
        return frame

    def release(self) -> None:
        self.released += 1


def test_a_device_that_is_unplugged_is_lost_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = FakeCv2()
    monkeypatch.setitem(sys.modules, "cv2", camera)
    frames = device_pictures(0, SIZE, 30)
    assert [next(frames)[0] for _ in range(2)] == ["device 0"] * 2
    with pytest.raises(DeviceLost, match="unplugged"):
        next(frames)
    assert camera.released == 1


def test_without_opencv_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match="camera"):
        next(device_pictures(0, SIZE, 30))


async def test_a_film_goes_through_the_worker_and_ends(video: Path) -> None:
    async with Camera(CameraOptions(10, 64, 48, file=str(video))) as camera:
        async with aclosing(camera.shots(paced=False)) as shots:
            names = []
            async for shot in shots:
                names.append((shot.number, shot.name, shot.faces))
                shot.frame.release()
        assert names == [(number, "six.avi", None) for number in range(6)]


@pytest.mark.parametrize("wrong", [{"device": 0, "file": "x"}, {"file": "x", "folder": "y"}, {"device": -1}])
def test_a_camera_of_two_things_is_a_config_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="name one of them"):
        CameraOptions(**wrong)


async def test_one_block_of_a_project_file_plays_a_film_and_a_missing_device_is_told(video: Path) -> None:
    text = (
        '[sources.film]\nuse = "camera"\nfile = "six.avi"\ntopic = "film.frame"\nwidth = 64\nheight = 48\n'
        '[sources.eye]\nuse = "camera"\ndevice = 99\ntopic = "eye.frame"\n'
    )
    project = await asyncio.to_thread(parse_project, text, video.parent / "loom.toml")
    async with await asyncio.to_thread(build, project) as loom:
        frames, health = Probe(loom.bus, "film.frame"), Probe(loom.bus, "loom.adapter.eye.>")
        await frames.wait()  # how many more there are depends on how busy the machine is
        assert {shot.name for shot in frames.payloads} == {"six.avi"}
        await health.wait()
        assert health.topics == ["loom.adapter.eye.lost"]
        assert "cannot be opened" in health.payloads[0]["reason"]
