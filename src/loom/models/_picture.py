"""A picture as it comes, checked, as an image that can be scaled."""

from __future__ import annotations

from typing import Any, cast

from loom.errors import MissingExtra, ModelFailed
from loom.event._codec_buffer import Buffer, as_buffer


def rgb_image(picture: object) -> Any:
    """*picture* (uint8; height, width, 3 or 4, or grey) as a Pillow image in RGB; raises ModelFailed for none."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("vision", "pillow") from None

    buffer = picture if isinstance(picture, Buffer) else as_buffer(picture)
    shape = buffer.shape if buffer else ()
    good = buffer is not None and buffer.dtype == "uint8" and buffer.nbytes and len(shape) in (2, 3)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}.get(shape[2] if len(shape) == 3 else 1)
    if buffer is None or not good or mode is None:
        what = f"{buffer.dtype} of shape {shape}" if buffer else type(picture).__name__
        raise ModelFailed(f"a picture is uint8 of shape (height, width, 3), not {what}")
    image = Image.frombuffer(mode, (shape[1], shape[0]), cast("bytes", buffer.data), "raw", mode, 0, 1)
    return image if mode == "RGB" else image.convert("RGB")
