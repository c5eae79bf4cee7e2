"""Reading WAV files that nobody vouches for: what is sound in them, a little at a time."""

from __future__ import annotations

import os
import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from loom.adapters.resample import Samples, check_samples
from loom.errors import ConfigError, UnreadableAudio

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODES = {
    2: "ADPCM",
    6: "A-law",
    7: "mu-law",
    0x11: "ADPCM",
    0x31: "GSM",
    0x50: "MPEG",
    0x55: "MP3",
    0xFF: "AAC",
}
_PARTS = 1000  # chunks that are looked at before it is no sound file any more
_UNKNOWN = (
    0xFFFFFFFF,
    0x7FFFFFFF,
    0x7FFFFFFF - 36,
    0xFFFFFFFF - 36,
)  # sizes that streaming writers leave behind
_OTHERS = {
    b"OggS": "an Ogg file", b"fLaC": "a FLAC file", b"ID3": "an MP3 file", b"\xff\xfb": "an MP3 file",
    b"FORM": "an AIFF file", b"RIFX": "a big-endian WAV file", b"\x1aE\xdf\xa3": "a WebM file",
    b"\x89PNG": "a picture", b"%PDF": "a PDF file", b"PK\3\4": "an archive", b"\x7fELF": "a program",
}  # fmt: skip


class Sound(NamedTuple):
    """Where the sound in a file is: *nbytes* from *start*, and what they mean. *flaw* says what is wrong with them."""

    samples: Samples
    start: int
    nbytes: int
    flaw: str = ""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.nbytes / self.samples.step / self.samples.rate


class SoundFile:
    """A WAV file, or with *raw* a file of nothing but such samples; read piece by piece, in a thread.

    Raises UnreadableAudio naming the file and what is wrong with it. Use as a context manager.
    """

    def __init__(self, path: Path, raw: Samples | None = None) -> None:
        self.path = path
        self._file = _opened(path)
        try:
            size = os.fstat(self._file.fileno()).st_size
            self.sound = _raw(raw, size) if raw is not None else _find(self._file, size)
            self._left = self.sound.nbytes
            self._file.seek(self.sound.start)
        except _Wrong as error:
            self.close()
            raise UnreadableAudio(f"{path} {error}") from None
        except OSError as error:
            self.close()
            raise UnreadableAudio(f"cannot read {path}: {error.strerror}") from None

    def read(self, moments: int) -> bytes:
        """At most so many moments of sound; nothing at the end. Raises UnreadableAudio."""
        try:
            data = self._file.read(min(moments * self.sound.samples.step, self._left))
        except OSError as error:
            raise UnreadableAudio(f"cannot read {self.path}: {error.strerror}") from None
        self._left -= len(data)
        if not data and self._left:  # it has become shorter meanwhile
            self._left = 0
        return data

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> SoundFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def sound_in(data: bytes, name: str) -> Sound:
    """Where the sound in the bytes of a WAV file is; raises UnreadableAudio with *name* and what is wrong."""
    try:
        return _find(BytesIO(data), len(data))
    except _Wrong as error:
        raise UnreadableAudio(f"{name} {error}") from None


class _Wrong(Exception):
    """What is wrong, without the file's name."""


def _opened(path: Path) -> BinaryIO:
    """The file, if it is one: a pipe would be waited for without end."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise UnreadableAudio(f"cannot read {path}: {getattr(error, 'strerror', error)}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableAudio(f"{path} is no file; name a WAV file")
    return open(handle, "rb")


def _raw(samples: Samples, size: int) -> Sound:
    whole = size - size % samples.step
    flaw = "" if whole == size else f"it ends in the middle of a sample, {size - whole} bytes are left out"
    return Sound(samples, 0, whole, flaw)


def _find(file: BinaryIO, size: int) -> Sound:
    """Walk the chunks of a WAV file of *size* bytes to its sound. No size that it names is believed."""
    head = file.read(12)
    if not head:
        raise _Wrong("is empty; there is no sound in it")
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        kind = next((word for sign, word in _OTHERS.items() if head.startswith(sign)), "no WAV file")
        raise _Wrong(f"is {kind}; convert it, as with: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav")
    samples: Samples | None = None
    place = 12
    for _ in range(_PARTS):
        file.seek(place)
        part = file.read(8)
        if len(part) < 8:
            raise _Wrong("is a WAV file without sound: it ends before its data")
        name, length = part[:4], int.from_bytes(part[4:], "little")
        place += 8
        if name == b"fmt ":
            samples = _format(file.read(min(length, 40)))
        elif name == b"data":
            if samples is None:
                raise _Wrong("is a WAV file whose data comes before its format")
            return _data(samples, place, length, size, head)
        place += length + length % 2
    raise _Wrong(f"is a WAV file without sound in its first {_PARTS} parts")


def _format(body: bytes) -> Samples:
    if len(body) < 16:
        raise _Wrong(f"is a WAV file with a format of {len(body)} bytes; 16 are the least")
    code, channels, rate, _, align, bits = struct.unpack("<HHIIHH", body[:16])
    if code == _EXTENSIBLE and len(body) >= 26:
        code = int.from_bytes(body[24:26], "little")
    if code not in (_PCM, _FLOAT):
        word = f" ({_CODES[code]})" if code in _CODES else ""
        raise _Wrong(
            f"holds sound in the form {code}{word}, which is not read; convert it: ffmpeg -i IN -ar 16000 -ac 1 OUT.wav"
        )
    width = -(-bits // 8)
    if channels and align % channels == 0 and align // channels > width:
        width = align // channels  # samples in wider boxes, as 24 bits in 32
    try:
        return check_samples(Samples(rate, channels, width, code == _FLOAT))
    except ConfigError as error:
        raise _Wrong(f"is a WAV file that cannot be: {error}") from None


def _data(samples: Samples, start: int, told: int, size: int, head: bytes) -> Sound:
    """The sound that is there, whatever *told* says."""
    there = max(0, size - start)
    whole = int.from_bytes(head[4:8], "little")
    if told in _UNKNOWN or (told == 0 and whole in (0, *_UNKNOWN)):
        told = there  # written while it was recorded: it goes on to the end
    nbytes = min(told, there)
    nbytes -= nbytes % samples.step
    flaw = ""
    if told > there:
        seconds = [n / samples.step / samples.rate for n in (told, nbytes)]
        flaw = f"it is cut off: {seconds[1]:.2f} s of {seconds[0]:.2f} s are there"
    return Sound(samples, start, nbytes, flaw)
