"""Sound as a payload: one chunk of a stream, with its format."""

from __future__ import annotations

from dataclasses import dataclass

from loom.errors import InvalidEvent

RATE = 16_000
"""Samples a second that sources publish unless told otherwise."""
CHUNK = 0.08
"""Seconds in a chunk unless told otherwise: 1280 samples at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Some milliseconds of sound: *pcm* is samples of *width* bytes, signed, little endian, *channels* interleaved.

    *rate* is samples a second. In its stream it is chunk *number* (from 0), which began *at* seconds; *captured_ms* is
    when it was recorded, Unix ms. *last* ends the stream: no chunk of it comes after. Raises InvalidEvent.
    """

    pcm: bytes
    rate: int = RATE
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

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / (self.rate * self.channels * self.width)
