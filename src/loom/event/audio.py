"""Sound as a payload: one chunk of a stream, with its format."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from loom.errors import InvalidEvent

if TYPE_CHECKING:
    from loom.event._codec_buffer import Buffer


@dataclass(frozen=True, slots=True)
class Audio:
    """Some milliseconds of sound: *pcm* is samples of *width* bytes, signed, little endian, *channels* interleaved.

    *rate* is samples a second. In its stream it is chunk *number* (from 0), which began *at* seconds; *captured_ms* is
    when it was recorded, Unix ms. *last* ends the stream: no chunk of it comes after. Raises InvalidEvent.
    """

    __loom_audio__: ClassVar[bool] = True

    pcm: bytes
    rate: int = 16_000
    channels: int = 1
    width: int = 2
    number: int = 0
    at: float = 0.0
    captured_ms: int = 0
    last: bool = False

    def __post_init__(self) -> None:
        if self.rate < 1 or self.channels < 1 or self.width not in (1, 2, 3, 4):
            raise InvalidEvent(
                f"sound of {self.rate} samples/s, {self.channels} channels, {self.width} bytes each: "
                "use at least 1, at least 1, and 1 to 4"
            )
        if len(self.pcm) % (self.channels * self.width):
            raise InvalidEvent(
                f"sound of {len(self.pcm)} bytes is not a whole number of {self.channels} x {self.width} bytes"
            )

        if not isfinite(self.at):
            raise InvalidEvent(f"sound that began {self.at} seconds after its stream")

    def __loom_buffer__(self) -> Buffer:
        """The samples as an array of one row for each moment, for models. Raises InvalidEvent for 3 bytes a sample."""
        from loom.event._codec_buffer import Buffer

        shape = None if self.channels == 1 else (len(self.pcm) // self.width // self.channels, self.channels)
        return Buffer(self.pcm, f"int{8 * self.width}", shape, self.rate)

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / (self.rate * self.channels * self.width)
