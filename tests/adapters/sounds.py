"""Sound files of every form, written by hand, and a way to hear what a source publishes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

TONE = 440.0


def tone(seconds: float, rate: int, hertz: float = TONE, loud: float = 0.5) -> list[float]:
    """A tone, from -1 to 1."""
    return [loud * math.sin(2 * math.pi * hertz * n / rate) for n in range(round(seconds * rate))]


def samples(values: Iterable[float], width: int, floating: bool = False) -> bytes:
    """Numbers from -1 to 1 as bytes of a WAV file."""
    if floating:
        return b"".join(struct.pack("<f" if width == 4 else "<d", v) for v in values)
    if width == 1:
        return bytes(min(255, round(v * 127 + 128)) for v in values)
    top = 2 ** (8 * width - 1) - 1
    return b"".join(round(v * top).to_bytes(width, "little", signed=True) for v in values)


def header(
    rate: int, channels: int = 1, width: int = 2, code: int = 1, extra: bytes = b"", align: int | None = None
) -> bytes:
    """The chunk `fmt `."""
    step = channels * width if align is None else align
    body = struct.pack("<HHIIHH", code, channels, rate, rate * step % 2**32, step, 8 * width) + extra
    return b"fmt " + struct.pack("<I", len(body)) + body


def riff(*parts: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    """A WAV file of these chunks."""
    body = b"WAVE" + b"".join(parts)
    return name + struct.pack("<I", len(body) if size is None else size) + body


def part(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """One chunk, padded; *size* is what it says of itself."""
    length = len(body) if size is None else size
    return name + struct.pack("<I", length) + body + b"\0" * (len(body) % 2)


def wav(pcm: bytes, rate: int = 16_000, channels: int = 1, width: int = 2, code: int = 1) -> bytes:
    """A plain WAV file."""
    return riff(header(rate, channels, width, code), part(b"data", pcm))


def write(path: Path, data: bytes) -> Path:
    """The file, written."""
    path.write_bytes(data)
    return path


def loudest(pcm: bytes, rate: int = 16_000) -> tuple[float, float]:
    """The strongest frequency in hertz and how loud it is, from 0 to 1."""
    heard = np.frombuffer(pcm, "<i2").astype(float) / 32768
    if not len(heard):
        return 0.0, 0.0
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    peak = int(spectrum.argmax())
    return peak * rate / len(heard), float(np.sqrt(2) * heard.std())


class Ears:
    """An Out that keeps what it gets; ``room`` says how many offers it takes."""

    name = "mic"

    def __init__(self, room: float = math.inf) -> None:
        self.room = room
        self.events: list[tuple[str, Any, int]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.shed = 0

    async def __call__(self, topic: Any, payload: Any = None, *, priority: int = 50, **fields: Any) -> Any:
        self.events.append((topic, payload, priority))

    def offer(self, topic: Any, payload: Any = None, *, priority: int = 50, **fields: Any) -> bool:
        if self.room <= 0:
            self.shed += 1
            return False
        self.room -= 1
        self.events.append((topic, payload, priority))
        return True

    def lost(self, reason: str) -> None:
        self.tell("lost", reason=reason)

    def found(self) -> None:
        self.tell("found")

    def tell(self, what: str, **payload: Any) -> None:
        self.told.append((what, payload))

    @property
    def sound(self) -> list[Any]:
        return [payload for _, payload, _ in self.events]

    @property
    def pcm(self) -> bytes:
        return b"".join(each.pcm for each in self.sound)
