"""Sound that comes in parts and is wanted as a whole, up to a length."""

from __future__ import annotations

from loom.errors import ModelFailed
from loom.models._pcm import seconds


class Recording:
    """At most *longest* seconds of pcm."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._sound = bytearray()

    @property
    def seconds(self) -> float:
        """How long it is."""
        return seconds(self._sound)

    def add(self, pcm: bytes) -> None:
        """Go on with *pcm*; raises ModelFailed, and starts anew, when that is too long."""
        self._sound += pcm
        if self.seconds > self._longest:
            length = self.seconds
            self._sound = bytearray()
            raise ModelFailed(
                f"{length:.0f} s of sound are over the limit of {self._longest:g} s; send parts"
            )

    def pcm(self) -> bytes:
        """All of it."""
        return bytes(self._sound)
