"""Touch screens and pointers as a source, from the input devices of Linux. It asks for consent."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from loom.adapters._touch_records import RECORD, Records
from loom.adapters.source import Out
from loom.errors import ConfigError, DeviceLost

_PIECE = 64 * RECORD.size


class Touch:
    """Publishes on *topic* what a pointer or a touch screen does, one event for each report of the device.

    The payload is what `Records` makes: "at_ms", "buttons", "moved", "place", "contacts". A report that nobody has
    room for is shed. Keys of keyboards are never read.
    """

    consent = "ask"

    def __init__(self, name: str, device: Path, topic: str = "") -> None:
        self.name = name
        self.device = device
        self.topic = topic or f"touch.{name}"
        self.topics = (self.topic,)
        self._counts = {"reports": 0, "shed": 0, "dropped": 0}

    async def run(self, out: Out) -> None:
        """Publish until cancelled; raises DeviceLost when the device is not there, is unplugged or not ours to read."""
        fd = await asyncio.to_thread(self._open)
        records, ready = Records(), asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            loop.add_reader(fd, ready.set)
            out.found()
            while True:
                await ready.wait()
                ready.clear()
                self._tell(out, records.feed(self._read(fd)))
                self._counts["dropped"] += records.dropped
                records.dropped = 0
        finally:
            loop.remove_reader(fd)
            os.close(fd)

    def statistics(self) -> Mapping[str, object]:
        """Reports published and shed, and those that the kernel dropped."""
        return dict(self._counts)

    def _tell(self, out: Out, reports: list[dict[str, object]]) -> None:
        for report in reports:
            self._counts["reports" if out.offer(self.topic, report) else "shed"] += 1

    def _open(self) -> int:
        try:
            fd = os.open(self.device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            raise DeviceLost(
                f"{self.device} may not be read; add this user to its group: sudo usermod -aG input $USER, log in again"
            ) from None
        except OSError as error:
            raise DeviceLost(
                f"{self.device}: {error.strerror}; ls /dev/input/by-id names the devices of this machine"
            ) from None
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ConfigError(f"{self.device} is a file, no input device")
        return fd

    def _read(self, fd: int) -> bytes:
        try:
            data = os.read(fd, _PIECE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise DeviceLost(f"{self.device} is gone: {error.strerror}") from None
        if not data:
            raise DeviceLost(f"{self.device} has ended")
        return data


def touch(name: str, home: Path, device: str, topic: str = "") -> Touch:
    """What the pointer or touch screen *device* ("/dev/input/event3") does, once somebody has allowed it."""
    path = home / device
    if os.sep not in device:
        raise ConfigError(f"device is {device!r}; write its path, such as /dev/input/event3")
    return Touch(name, path, topic)
