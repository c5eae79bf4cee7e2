"""Real cameras and films: frames from a device, a video or a GIF, by OpenCV and Pillow. In the camera's worker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.adapters._camera_pictures import MAX_PIXELS, Size, fit
from loom.errors import DeviceLost, MissingExtra, UnreadablePicture

if TYPE_CHECKING:
    from PIL.Image import Image

Frame = tuple[str, "int | None", "Callable[[], Image]"]
Position = Callable[[], float]
_STILL_MS = 100
"""How long browsers show a frame of a GIF that does not say."""


def device_pictures(number: int, size: Size, rate: float) -> Iterator[Frame]:
    """What the camera *number* sees, without end; raises DeviceLost when it is not there or goes."""
    cv2 = _opencv()
    capture = cv2.VideoCapture(number)
    try:
        if not capture.isOpened():
            raise DeviceLost(
                f"camera device {number} cannot be opened: plug it in, see that no other program holds it, or show "
                'file = "film.mp4" or folder = "pictures" instead'
            )
        for key, value in (
            ("FRAME_WIDTH", size[0]),
            ("FRAME_HEIGHT", size[1]),
            ("FPS", rate),
            ("BUFFERSIZE", 1),
        ):
            capture.set(getattr(cv2, f"CAP_PROP_{key}"), value)
        while True:
            good, frame = capture.read()
            if not good:
                raise DeviceLost(f"camera device {number} gives no more frames: it was unplugged or taken")
            yield f"device {number}", None, _drawer(_picture(cv2, frame), size)
    finally:
        capture.release()


def film_pictures(file: str, size: Size, clock: Callable[[int], float], repeat: bool) -> Iterator[Frame]:
    """The frames of *file* as *clock* asks for them, until its end, or again and again.

    *clock* says at how many seconds the frame with this number, from 0, is shown. Raises UnreadablePicture for what is
    no video and no GIF.
    """
    name, play = Path(file).name, _gif_frames if _is_gif(file) else _video_frames
    began, number = 0.0, 0
    while True:
        length = 0.0
        for until, image in play(file, lambda: clock(number) - began):  # noqa: B023 - as it is when asked
            length = until
            yield name, None, _drawer(image, size)
            number += 1
        if not repeat:
            return
        began += max(length, 0.001)


def _is_gif(file: str) -> bool:
    try:
        if not Path(file).is_file():
            raise UnreadablePicture(f"film {file!r} is not there, or no ordinary file; name a video or a GIF")
        with Path(file).open("rb") as opened:
            return opened.read(4) == b"GIF8"
    except OSError as error:
        raise UnreadablePicture(f"film {file!r}: {error.strerror}") from None


def _video_frames(file: str, position: Position) -> Iterator[tuple[float, Image]]:
    """For each time it is asked: when the frame that is shown now ends, in seconds, and the frame."""
    cv2 = _opencv()
    capture = cv2.VideoCapture(file, cv2.CAP_FFMPEG)
    try:
        width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if not capture.isOpened() or not 0 < width * height <= MAX_PIXELS:
            raise UnreadablePicture(
                f"film {file!r} cannot be read as a video of at most {MAX_PIXELS:,} pixels"
            )
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0.01 < rate < 1000 else 25.0
        shown = -1
        good, frame = False, None
        while True:
            wanted = max(0, int(position() * rate + 1e-6))
            while shown < wanted:
                if not capture.grab():
                    if shown < 0:
                        raise UnreadablePicture(f"film {file!r} has no frame that can be read")
                    return
                shown += 1
                good = False
            if not good:
                good, frame = capture.retrieve()
            if not good:
                return
            yield (shown + 1) / rate, _picture(cv2, frame)
    finally:
        capture.release()


def _gif_frames(file: str, position: Position) -> Iterator[tuple[float, Image]]:
    """The same for a GIF, whose frames are shown as long as each of them says."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file, formats=["GIF"]) as gif:
            if gif.width * gif.height > MAX_PIXELS:
                raise UnreadablePicture(f"film {file!r} has more than {MAX_PIXELS:,} pixels")
            shown, until = 0, _seconds(gif)
            while True:
                now = position() + 1e-6
                while now >= until:
                    shown += 1
                    gif.seek(shown)
                    until += _seconds(gif)
                yield until, gif.convert("RGB")
    except EOFError:
        return
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise UnreadablePicture(f"film {file!r} cannot be read: {error}") from None


def _seconds(gif: Any) -> float:
    shown = int(gif.info.get("duration") or 0)
    return (shown if shown >= 20 else _STILL_MS) / 1000


def _drawer(image: Image, size: Size) -> Callable[[], Image]:
    return lambda: fit(image, size)


def _picture(cv2: Any, frame: Any) -> Image:
    from PIL import Image

    return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def _opencv() -> Any:
    """OpenCV, told to be quiet and, whatever a film's container asks for, to open files only."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "protocol_whitelist;file"
    try:
        import cv2
    except ImportError:
        raise MissingExtra("camera", "opencv-python-headless") from None
    return cv2
