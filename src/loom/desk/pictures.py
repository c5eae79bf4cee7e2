"""Pictures that somebody dropped: opened within limits and made small. Runs in a process of its own, which may die."""

from __future__ import annotations

import os
import stat
from typing import Any

from loom.event._codec_buffer import Buffer

MOST_PIXELS = 64_000_000
LARGEST = 640  # pixels of the longer side of what a model gets to see


def open_picture(path: str) -> dict[str, Any]:
    """``width`` and ``height`` of the picture at *path*, ``pixels`` and ``shape``: a small upright RGB copy.

    For what cannot be opened ``reason``; without Pillow neither.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return {}
    Image.MAX_IMAGE_PIXELS = None  # ours is checked below, before anything is decoded
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return {"reason": "not an ordinary file"}
            with Image.open(file) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    return {
                        "reason": f"a picture of {width} x {height} pixels; at most {MOST_PIXELS:,} are opened"
                    }
                image.draft("RGB", (LARGEST * 2, LARGEST * 2))
                small = ImageOps.exif_transpose(image.convert("RGB"))
                small.thumbnail((LARGEST, LARGEST))
    except Exception as error:  # noqa: BLE001 - decoders raise what they like for hostile bytes
        return {"reason": f"a picture that cannot be opened: {type(error).__name__}"}
    return {
        "width": width,
        "height": height,
        "pixels": small.tobytes(),
        "shape": [small.height, small.width, 3],
    }


def frame(seen: dict[str, Any]) -> Buffer:
    """The small copy as a model wants it."""
    return Buffer(seen["pixels"], "uint8", seen["shape"])


def described(name: str, seen: dict[str, Any], faces: int | None) -> str:
    """What can be said of a picture in words: what it is called, how large it is, how many faces were found."""
    said = f"a picture called {name}"
    if seen:
        said += f", {seen['width']} x {seen['height']} pixels"
    if faces is not None:
        said += {0: ", nobody on it", 1: ", one face of a person"}.get(faces, f", {faces} faces of people")
    return said
