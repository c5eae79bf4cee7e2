"""Sound: what sources of it publish, and the format that they use unless told otherwise."""

from __future__ import annotations

from loom.event.audio import Audio

__all__ = ["CHUNK", "RATE", "Audio"]

RATE = 16_000
"""Samples a second."""
CHUNK = 0.08
"""Seconds in a chunk: 1280 samples at 16 kHz."""
