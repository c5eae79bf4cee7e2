"""Pictures of strangers: opened within limits, turned upright, fitted into a frame. Runs in the camera's worker."""

from __future__ import annotations

import os
import stat
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.errors import ConfigError, MissingExtra, UnreadablePicture

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")
MAX_PIXELS = 64_000_000
PACKAGE = "scikit-image"
PINNED = f"{PACKAGE}==0.26.0"
Size = tuple[int, int]


def list_pictures(folder: str) -> list[Path]:
    """The pictures directly in *folder*, by name, hidden ones and sub-folders left out.

    Raises ConfigError when there is no such folder, it cannot be read, or it has no picture.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ConfigError(
            f"frames folder {folder!r}: {error.strerror}; name a folder with pictures"
        ) from None
    found = [Path(folder, n) for n in names if not n.startswith(".") and n.lower().endswith(SUFFIXES)]
    found = [path for path in found if not path.is_dir()]
    if not found:
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise ConfigError(
            f"frames folder {folder!r} has no picture ({kinds}) among its {len(names)} entries; "
            "sub-folders and hidden files are not looked at"
        )
    return found


def packaged_pictures() -> dict[str, Path]:
    """The pictures of the scikit-image package by file name, without importing it; ConfigError when it is missing."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    found = {f.name: Path(str(f.locate())) for f in files if f.parent.name == "data" and f.suffix in SUFFIXES}
    if "astronaut.png" not in found:
        command = f"{sys.executable} -m pip install --no-deps {PINNED}"
        raise ConfigError(f"the demo's photographs ({PACKAGE}) are not installed; run: {command}")
    return found


def open_picture(path: Path, near: Size | None = None) -> Image:
    """The picture in RGB and upright; *near* lets JPEGs be decoded at a size not much above it.

    Raises UnreadablePicture for whatever is wrong with the file, MissingExtra without Pillow.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra("vision", "pillow") from None
    Image.MAX_IMAGE_PIXELS = None  # ours is checked below, for every format, before anything is decoded
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadablePicture(f"{path} is no ordinary file")
        with Image.open(path) as image:
            _check_size(path, image.size)
            if near is not None and image.format == "JPEG":
                image.draft("RGB", (near[0] * 2, near[1] * 2))
            upright = ImageOps.exif_transpose(image)
            return _opaque(upright)
    except UnreadablePicture:
        raise
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise whatever a broken file makes them raise
        raise UnreadablePicture(f"{path} cannot be read: {type(error).__name__}: {error}"[:500]) from None


def fit(image: Image, size: Size) -> Image:
    """*image* as large as it goes into *size*, black around it."""
    from PIL import Image as Images
    from PIL import ImageOps

    return ImageOps.pad(image, size, Images.Resampling.BILINEAR, color=(0, 0, 0))


def _check_size(path: Path, size: Size) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise UnreadablePicture(
            f"{path} has {size[0]} x {size[1]} pixels, over the limit of {MAX_PIXELS:,}; scale it down"
        )


def _opaque(image: Any) -> Image:
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, image).convert("RGB")
    if image.mode.startswith("I") or image.mode == "F":
        low, high = image.getextrema()
        image = image.point(lambda value: (value - low) * (255.0 / max(high - low, 1))).convert("L")
    converted: Image.Image = image.convert("RGB")
    return converted
