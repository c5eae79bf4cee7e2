"""Sound as models hear it: 16 kHz, one channel, signed 16-bit little-endian samples."""

from __future__ import annotations

from array import array
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from loom.errors import MissingExtra, ModelFailed
from loom.event._codec_buffer import Buffer, as_buffer

if TYPE_CHECKING:
    import numpy as np

RATE = 16_000
WIDTH = 2
BYTES_PER_SECOND = RATE * WIDTH
HUM = 10  # how loud a quiet room is, in units of a sample


def pcm_of(value: object) -> bytes:
    """The samples in *value*: bytes, or an array of int16; raises ModelFailed for anything else.

    Nothing at all is fine, and is silence of no length.
    """
    data = value if isinstance(value, bytes) else _bytes_of(value)
    if len(data) % WIDTH:
        raise ModelFailed(
            f"{len(data):,} bytes are not a whole number of 16-bit samples; send s16le mono at {RATE} Hz"
        )
    return data


def seconds(pcm: bytes | bytearray) -> float:
    """How long *pcm* sounds, seconds."""
    return len(pcm) / BYTES_PER_SECOND


@cache
def quiet_room(length: float) -> bytes:
    """*length* seconds of a room in which nothing is to be heard, the same every time.

    Networks that listen judge by what they heard before, and digital silence is like no room.
    """
    chance = Random(1)
    return array("h", (round(chance.gauss(0, HUM)) for _ in range(int(length * RATE)))).tobytes()


def floats(pcm: bytes) -> np.ndarray[Any, Any]:
    """The samples as float32 from -1 to 1; raises MissingExtra without NumPy."""
    try:
        import numpy as np
    except ImportError:
        raise MissingExtra("voice", "numpy") from None
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def _bytes_of(value: object) -> bytes:
    buffer = value if isinstance(value, Buffer) else as_buffer(value)
    if buffer is None or buffer.dtype not in ("int16", "uint8", "int8") or len(buffer.shape) > 1:
        what = type(value).__name__ if buffer is None else f"{buffer.dtype} of shape {buffer.shape}"
        raise ModelFailed(f"sound is s16le mono at {RATE} Hz as bytes, not {what}; convert it first")
    if buffer.rate not in (None, RATE):
        raise ModelFailed(f"sound is s16le mono at {RATE} Hz, not at {buffer.rate:g} Hz; resample it first")
    return bytes(buffer.data)
