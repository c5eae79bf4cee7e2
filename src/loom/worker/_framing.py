"""Length-prefixed frames: bytes in, whole frames out, nothing else."""

from __future__ import annotations

from loom.errors import PayloadTooLarge, WorkerGarbage

PREFIX = 4


class FrameDecoder:
    """Cuts a byte stream into frames; keeps at most one unfinished frame of *max_frame* bytes."""

    __slots__ = ("_buffer", "_max")

    def __init__(self, max_frame: int) -> None:
        self._buffer = bytearray()
        self._max = max_frame

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The frames that *data* completes; raises WorkerGarbage for a length of zero or above the maximum."""
        buffer = self._buffer
        buffer += data
        frames: list[bytes] = []
        while len(buffer) >= PREFIX:
            end = PREFIX + self._length(buffer)
            if len(buffer) < end:
                break
            frames.append(bytes(memoryview(buffer)[PREFIX:end]))
            del buffer[:end]
        return frames

    def _length(self, buffer: bytearray) -> int:
        length = int.from_bytes(buffer[:PREFIX], "big")
        if not 0 < length <= self._max:
            raise WorkerGarbage(
                f"frame length {length:,} is outside 1..{self._max:,} (first bytes {bytes(buffer[:8])!r})"
            )
        return length

    @property
    def unfinished(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)


def frame(data: bytes, max_frame: int, where: str) -> bytes:
    """*data* with its length in front; raises PayloadTooLarge naming *where* above *max_frame* bytes."""
    if len(data) > max_frame:
        raise PayloadTooLarge(len(data), max_frame, where)
    return len(data).to_bytes(PREFIX, "big") + data
