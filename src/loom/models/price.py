"""What inference takes and what it costs."""

from __future__ import annotations

from typing import NamedTuple


class Usage(NamedTuple):
    """What one request took: tokens read, tokens written, and seconds of sound."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


class Price(NamedTuple):
    """What a backend bills: per million tokens read and written, per call, per second of sound; in one currency."""

    million_in: float = 0.0
    million_out: float = 0.0
    call: float = 0.0
    second: float = 0.0

    def cost(self, usage: Usage, calls: int = 1) -> float:
        """What *usage* in *calls* requests costs."""
        tokens = usage.tokens_in * self.million_in + usage.tokens_out * self.million_out
        return tokens / 1_000_000 + calls * self.call + usage.seconds * self.second


FREE = Price()
NOTHING = Usage()
