"""The sound devices of this machine, through PortAudio; loaded with the first microphone or loudspeaker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from loom.errors import MissingExtra, NoDevice

Device = str | int | None


class Stream(Protocol):
    """An open device."""

    latency: float
    rate: int
    """Samples a second that it really gives."""
    channels: int

    @property
    def active(self) -> bool:
        """Whether it still runs."""

    def close(self) -> None:
        """Give it back at once, without playing what it still holds."""


Opener = Callable[[Device, int, int, Callable[..., Any]], Stream]
"""(device, samples a second, samples a block, what its thread calls) -> the open device. Raises NoDevice."""


class Listed(NamedTuple):
    """A device that is there."""

    number: int
    name: str
    inputs: int
    outputs: int


_open: set[Any] = set()
_stale = False  # whether devices may have come or gone since PortAudio looked
_lock = threading.Lock()


def devices() -> list[Listed]:
    """The devices that are there now; raises NoDevice where none can be reached, MissingExtra."""
    sd = _load()
    with _lock:
        _look_around(sd)
        found = sd.query_devices()
    return [
        Listed(n, each["name"], each["max_input_channels"], each["max_output_channels"])
        for n, each in enumerate(found)
    ]


def open_input(device: Device, rate: int, block: int, heard: Callable[[bytes], object]) -> Stream:
    """The microphone *device*, open: its thread calls *heard* with signed 16-bit samples of ``channels`` channels.

    Where it does not do *rate* and one channel it is opened as it likes; see ``rate`` and ``channels``.
    """

    def callback(data: Any, frames: int, when: Any, status: Any) -> None:
        heard(bytes(data))

    return _opened("RawInputStream", "microphone", 'use = "wav"', device, (rate, block), callback)


def open_output(device: Device, rate: int, block: int, fill: Callable[[], bytes]) -> Stream:
    """The loudspeaker *device*, open: its thread asks *fill* for one block after the other."""

    def callback(out: Any, frames: int, when: Any, status: Any) -> None:
        out[:] = fill()

    return _opened("RawOutputStream", "loudspeaker", 'use = "wav_speaker"', device, (rate, block), callback)


class _Opened:
    """A stream of sounddevice, counted while it is open."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.latency = float(stream.latency)
        self.rate = int(stream.samplerate)
        self.channels = int(stream.channels)

    @property
    def active(self) -> bool:
        return bool(self._stream.active)

    def close(self) -> None:
        with _lock:
            _open.discard(self)
            _doubt(not self.active)
        try:
            self._stream.abort(ignore_errors=True)
        finally:
            self._stream.close(ignore_errors=True)


def _opened(
    kind: str, what: str, instead: str, device: Device, form: tuple[int, int], callback: Callable[..., None]
) -> Stream:
    sd = _load()
    rate, block = form
    if not any(each.inputs if what == "microphone" else each.outputs for each in devices()):
        _doubt()
        raise NoDevice(
            f'there is no {what} on this machine; without one, a file does: {instead}, file = "..."'
        )
    options: dict[str, Any] = {"device": device, "dtype": "int16", "callback": callback}
    tried: list[dict[str, Any]] = [{"samplerate": rate, "channels": 1, "blocksize": block}]
    if what == "microphone":
        tried.append({"samplerate": None, "channels": None, "blocksize": 0})
    for last, form_ in enumerate(tried, 1):
        stream = None
        try:
            stream = getattr(sd, kind)(**options, **form_, latency="low")
            stream.start()
        except (sd.PortAudioError, ValueError) as error:
            if stream is not None:
                stream.close(ignore_errors=True)
            if last < len(tried):
                continue
            _doubt()
            called = "" if device is None else f" {device!r}"
            raise NoDevice(
                f"the {what}{called} cannot be opened ({_said(error)}); `loom source devices` lists them, "
                f'and a file does instead: {instead}, file = "..."'
            ) from None
        made = _Opened(stream)
        with _lock:
            _open.add(made)
        return made
    raise AssertionError("unreachable")


def _doubt(gone: bool = True) -> None:
    global _stale
    _stale = _stale or gone


def _look_around(sd: Any) -> None:
    """PortAudio sees devices only when it starts, and ends every open stream when it stops."""
    global _stale
    if _stale and not _open:
        sd._terminate()
        sd._initialize()
        _stale = False


def _load() -> Any:
    try:
        import sounddevice
    except OSError:
        raise NoDevice(
            "PortAudio, the library behind microphones and loudspeakers, is not installed (Debian: apt install "
            'libportaudio2); without it, a file does: use = "wav" or "wav_speaker", file = "..."'
        ) from None
    except ImportError:
        raise MissingExtra("voice", "sounddevice") from None
    return sounddevice


def _said(error: Exception) -> str:
    return " ".join(str(error).split())
