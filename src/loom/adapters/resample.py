"""From samples of any form to signed 16-bit ones of one channel at another rate, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from loom.adapters.audio import RATE
from loom.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    import numpy as np

RATES = (1_000, 768_000)
"""Samples a second that are believed, least and most."""
CHANNELS = 64
"""Channels that are believed at most."""


class Samples(NamedTuple):
    """What bytes of sound mean: *width* bytes a sample, little endian, *channels* interleaved; 1 byte is unsigned."""

    rate: int = RATE
    channels: int = 1
    width: int = 2
    floating: bool = False

    @property
    def step(self) -> int:
        """Bytes of one moment."""
        return self.width * self.channels

    @property
    def plain(self) -> bool:
        """Whether they are signed 16-bit samples of one channel already."""
        return self.width == 2 and self.channels == 1 and not self.floating


def check_samples(samples: Samples) -> Samples:
    """*samples*, if they can be converted; raises ConfigError with what is wrong."""
    if not RATES[0] <= samples.rate <= RATES[1]:
        raise ConfigError(f"{samples.rate} samples a second; use {RATES[0]} to {RATES[1]}")
    if not 1 <= samples.channels <= CHANNELS:
        raise ConfigError(f"{samples.channels} channels; use 1 to {CHANNELS}")
    if samples.width not in ((4, 8) if samples.floating else (1, 2, 3, 4)):
        kind = "floating" if samples.floating else "whole"
        raise ConfigError(f"{kind} numbers of {samples.width} bytes are no samples of sound")
    return samples


class Converter:
    """Turns *samples* into signed 16-bit ones of one channel at *rate*: ``feed`` it piece by piece.

    Channels are mixed in equal parts. Raises ConfigError, and MissingExtra where NumPy or soxr is needed and missing.
    """

    def __init__(self, samples: Samples, rate: int = RATE) -> None:
        self.samples = check_samples(samples)
        self.rate = check_samples(Samples(rate)).rate
        self._rest = b""
        self._stream: Any = None
        if samples.rate != rate:
            try:
                import soxr
            except ImportError:
                raise MissingExtra("voice", "soxr") from None
            self._stream = soxr.ResampleStream(samples.rate, rate, 1, dtype="float32", quality="HQ")

    def feed(self, raw: bytes, last: bool = False) -> bytes:
        """What *raw* becomes, as far as it is settled; with *last* all of it. Half a moment waits for the rest."""
        if self._rest:
            raw = self._rest + raw
        whole = len(raw) - len(raw) % self.samples.step
        raw, self._rest = raw[:whole], raw[whole:]
        if self._stream is None and self.samples.plain:
            return raw
        mono = _mono(raw, self.samples)
        if self._stream is not None:
            mono = self._stream.resample_chunk(mono, last=last)
        return _sixteen(mono)


def resampled(pcm: bytes, rate: int, to: int = RATE) -> bytes:
    """Signed 16-bit samples of one channel, *rate* a second, as *to* a second. Raises ConfigError, MissingExtra."""
    return Converter(Samples(rate), to).feed(pcm, last=True)


def _mono(raw: bytes, samples: Samples) -> np.ndarray[Any, Any]:
    """float32 from -1 to 1, one channel; numbers that are none count as silence."""
    try:
        import numpy as np
    except ImportError:
        raise MissingExtra("voice", "numpy") from None
    if samples.floating:
        wide = np.frombuffer(raw, f"<f{samples.width}")
        flat = np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0).clip(-1, 1).astype("float32")
    elif samples.width == 1:
        flat = (np.frombuffer(raw, "u1").astype("float32") - 128) / 128
    elif samples.width == 3:
        bytes3 = np.frombuffer(raw, "u1").reshape(-1, 3)
        padded = np.zeros((len(bytes3), 4), "u1")
        padded[:, 1:] = bytes3
        flat = (padded.view("<i4")[:, 0] / 2**31).astype("float32")
    else:
        flat = (np.frombuffer(raw, f"<i{samples.width}") / 2 ** (8 * samples.width - 1)).astype("float32")
    mixed: np.ndarray[Any, Any] = flat.reshape(-1, samples.channels).mean(axis=1, dtype="float32")
    return mixed


def _sixteen(mono: np.ndarray[Any, Any]) -> bytes:
    return (mono * 32768).round().clip(-32768, 32767).astype("<i2").tobytes()
