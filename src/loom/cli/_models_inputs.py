"""A small input for each task of a model, to see what the task costs on this machine."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from loom.event._codec_buffer import Buffer

RATE = 16_000
TEXT = "The kitchen light is on, and somebody is at the door."


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: *seconds* of sound that go in (0: none do), *items* that it counts as."""

    input: object
    options: Mapping[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    items: int = 1


def sample(task: str, spoken: bytes | None = None) -> Sample | None:
    """The input for *task*, None for a task that is not known; *spoken* is what a voice said, if one has been asked."""
    if task in ("vad", "wake"):
        return Sample(hum(2.0), {"session": "cost", "reset": True}, 2.0)
    if task == "transcribe":
        pcm = spoken or hum(3.0)
        return Sample(pcm, {}, len(pcm) / 2 / RATE)
    if task in ("detect", "faces.detect", "gesture"):
        return Sample(picture())
    if task == "classify":
        labels = {"light": ["turn on the light"], "time": ["what time is it"], "door": ["who is there"]}
        return Sample(TEXT, {"labels": labels})
    plain: dict[str, Sample] = {
        "speak": Sample(TEXT),
        "embed": Sample(TEXT),
        "chat": Sample("Say in one sentence what a loom is.", {"max_tokens": 32, "temperature": 0.0}),
    }
    return plain.get(task)


def hum(seconds: float) -> bytes:
    """A voice-like hum: a fundamental that glides and its overtones, three syllables a second; s16, mono, 16 kHz."""
    samples = []
    phase = 0.0
    for n in range(int(seconds * RATE)):
        at = n / RATE
        phase += 2 * math.pi * (120 + 30 * math.sin(2 * math.pi * 0.7 * at)) / RATE
        tone = sum(math.sin(k * phase) / k for k in (1, 2, 3, 5, 8))
        samples.append(int(6000 * tone * max(0.0, math.sin(2 * math.pi * 3 * at))))
    return struct.pack(f"<{len(samples)}h", *samples)


def picture(width: int = 640, height: int = 480) -> Buffer:
    """A picture with soft shapes and nobody in it."""
    row = bytes(value for x in range(width) for value in (x * 255 // width, 128, 255 - x * 255 // width))
    return Buffer(row * height, "uint8", (height, width, 3))
