"""Sound for people: a loudspeaker, or a WAV file that holds what would have been heard."""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._playback import Playback
from loom.adapters.resample import resampled
from loom.errors import ActionFailed, ConfigError

if TYPE_CHECKING:
    from loom.adapters._sound_device import Opener

BLOCK = 0.02
"""Seconds of a block: how late a stop, a hold or a cancellation can be heard."""
PLAYS = 64
"""Plays that may wait."""
LONGEST = 600.0
"""Seconds of sound that may wait, all together."""
_IDLE = 2.0  # seconds without anything to play after which a device is given back
_STUCK = 5.0  # seconds that a device may take no block before it counts as gone


class _Voice(ABC):
    """What both have in common: the actions and who waits for which play."""

    def __init__(self, name: str, rate: int) -> None:
        self.name = name
        self.rate = rate
        self._playback = Playback(2 * max(1, round(BLOCK * rate)))
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._closed = False
        self._actions = _actions(self)

    def actions(self) -> Iterable[Action]:
        """``NAME.play``, ``NAME.hold``, ``NAME.resume`` and ``NAME.stop``."""
        return self._actions

    async def play(self, pcm: bytes, rate: int) -> None:
        """Let *pcm*, signed 16-bit samples of one channel, be heard after what waits; return when it was."""
        if len(pcm) % 2:
            raise ActionFailed(f"{len(pcm)} bytes are not a whole number of 16-bit samples")
        seconds = len(pcm) / 2 / max(rate, 1)
        self._check_room(seconds)
        try:
            ready = await asyncio.to_thread(resampled, pcm, rate, self.rate) if rate != self.rate else pcm
        except ConfigError as error:
            raise ActionFailed(str(error)) from None
        self._check_room(seconds)  # others may have come meanwhile, or the end
        await self._until_heard(ready)

    def _check_room(self, seconds: float) -> None:
        if self._closed:
            raise ActionFailed(f"{self.name} is closed")
        if len(self._waiters) >= PLAYS or self._playback.waiting / 2 / self.rate + seconds > LONGEST:
            raise ActionFailed(
                f"{self.name} has {len(self._waiters)} plays waiting; at most {PLAYS} and {LONGEST:.0f} s fit"
            )

    async def hold(self) -> None:
        """Freeze where it is; what waits stays."""
        self._playback.held = True

    async def resume(self) -> None:
        """Go on from the last sound played."""
        self._playback.held = False
        self._go()

    async def stop(self) -> None:
        """Let nothing more be heard of what plays and waits; those plays count as done."""
        for play in self._playback.clear():
            self._over(play)

    async def close(self) -> None:
        """End what plays and give the device or file back."""
        self._closed = True
        await self.stop()

    @abstractmethod
    def _go(self) -> None:
        """There is something to be heard, or there may be."""

    async def _until_heard(self, pcm: bytes) -> None:
        play = self._playback.add(pcm)
        self._waiters[play] = asyncio.get_running_loop().create_future()
        try:
            self._go()
            await self._waiters[play]
        finally:
            self._playback.drop(play)  # cancelled: the block that is sounding is the last of it
            del self._waiters[play]

    def _over(self, play: int, error: Exception | None = None) -> None:
        waiter = self._waiters.get(play)
        if waiter is not None and not waiter.done():
            waiter.set_result(None) if error is None else waiter.set_exception(error)

    def _fail(self, error: Exception) -> None:
        self._playback.clear()
        for play in list(self._waiters):  # also those that have sounded, and are not written or not out yet
            self._over(play, ActionFailed(f"{self.name}: {error}"))


def _actions(voice: _Voice) -> tuple[Action, ...]:
    name = voice.name

    @action(f"{name}.play", timeout=LONGEST + 60, attempts=1)
    async def play(pcm: bytes, rate: int) -> None:
        """Let signed 16-bit samples of one channel be heard; returns when they were. Cancelling it silences them."""
        await voice.play(pcm, rate)

    @action(f"{name}.hold", idempotent=True)
    async def hold() -> None:
        """Freeze where it is."""
        await voice.hold()

    @action(f"{name}.resume", idempotent=True)
    async def resume() -> None:
        """Go on from the last sound played."""
        await voice.resume()

    @action(f"{name}.stop", idempotent=True)
    async def stop() -> None:
        """Let nothing more be heard of what plays and waits."""
        await voice.stop()

    return tuple(getattr(each, ACTION) for each in (play, hold, resume, stop))


class WavSpeaker(_Voice):
    """A speaker that writes what would have been heard to *file*; without one it only takes the time it would.

    It plays in real time, by the loop's clock, or with *fast* in none. Silence, held or between two plays, is written
    as it passes, but at most *gap* seconds of it in a row. *longest* bounds the file, seconds: then plays fail.
    The file is a whole WAV file whenever nothing sounds.
    """

    def __init__(
        self,
        name: str = "speaker",
        file: str | Path | None = None,
        *,
        rate: int = 24_000,
        fast: bool = False,
        gap: float = 1.0,
        longest: float = 3600.0,
    ) -> None:
        super().__init__(name, rate)
        self._path = None if file is None else Path(file)
        self._file: BinaryIO | None = None
        self._fast = fast
        self._gap = 0.0 if fast else gap
        self._longest = round(longest * rate) * 2
        self._written = 0
        self._silent = 0
        self._task: asyncio.Task[None] | None = None
        self._more = asyncio.Event()

    async def close(self) -> None:
        """End what plays and close the file."""
        await super().close()
        if self._task is not None:
            self._more.set()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._file is not None:
            await asyncio.to_thread(self._file.close)

    def _go(self) -> None:
        self._more.set()
        if (self._task is None or self._task.done()) and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._perform(), name=f"speaker {self.name}")

    async def _perform(self) -> None:
        try:
            while not self._closed:
                self._more.clear()
                await self._sound()
                if not self._closed and not (len(self._playback) and not self._playback.held):
                    await self._more.wait()
        except OSError as error:
            self._fail(ConfigError(f"cannot write {self._path}: {error.strerror}"))

    async def _sound(self) -> None:
        """Play until nothing is left to be heard, and let the silence after it pass."""
        loop = asyncio.get_running_loop()
        due, late, ended = loop.time(), bytearray(), list[int]()
        while not self._closed:
            block = self._playback.block()
            if not block.sounding and (self._fast or self._silent >= self._gap * self.rate * 2):
                ended += block.ended
                break
            self._silent = 0 if block.sounding else self._silent + len(block.pcm)
            late += block.pcm
            ended += block.ended
            due += 0.0 if self._fast else BLOCK
            await asyncio.sleep(max(0.0, due - loop.time()))
            if ended or len(late) >= self.rate * 2:
                await self._keep(late, ended)
        await self._keep(late, ended)

    async def _keep(self, pcm: bytearray, ended: list[int]) -> None:
        """Write what has sounded, and let those go on whose play is over."""
        if self._path is not None and pcm:
            if self._written + len(pcm) > self._longest:
                full = ConfigError(f"{self._path} is full: {self._longest / 2 / self.rate:.0f} s")
                self._fail(full)
            else:
                await asyncio.to_thread(self._write, bytes(pcm))
        pcm.clear()
        for play in ended:
            self._over(play)
        ended.clear()

    def _write(self, pcm: bytes) -> None:
        assert self._path is not None
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "wb")  # noqa: SIM115 - closed by close()
        self._written += len(pcm)
        self._file.seek(0)
        self._file.write(_header(self.rate, self._written))
        self._file.seek(0, 2)
        self._file.write(pcm)
        self._file.flush()


class Speaker(_Voice):
    """The loudspeaker *device* (its name, a part of it or its number; None: the system's own).

    It is opened with the first play and given back when nothing has sounded for two seconds.
    """

    def __init__(
        self,
        name: str = "speaker",
        device: str | int | None = None,
        *,
        rate: int = 24_000,
        opener: Opener | None = None,
    ) -> None:
        super().__init__(name, rate)
        self._device = device
        self._opener = opener
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what plays and give the device back."""
        await super().close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _go(self) -> None:
        if (self._task is None or self._task.done()) and len(self._playback) and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._perform(), name=f"speaker {self.name}")

    async def _perform(self) -> None:
        """Feed the device until nothing has sounded for a while."""
        from loom.adapters._sound_device import open_output

        loop = asyncio.get_running_loop()
        stream: Any = None
        state = _Feed(self._playback)
        try:
            opener = self._opener or open_output
            stream = await asyncio.to_thread(
                opener, self._device, self.rate, self._playback.size // 2, state.fill
            )
            while len(self._playback) or loop.time() - state.sounded < _IDLE:
                await asyncio.sleep(BLOCK)
                self._watch(state, loop.time())
                for play in state.over(loop.time(), stream.latency):
                    self._over(play)
        except Exception as error:  # noqa: BLE001 - a device's driver: told to everybody who waits
            self._fail(error)
        finally:
            for play in state.over(float("inf"), 0.0):
                self._over(play)
            if stream is not None:
                await asyncio.shield(asyncio.to_thread(stream.close))
        self._go()  # what came while the device was being closed

    def _watch(self, state: _Feed, now: float) -> None:
        state.look(now)
        if now - state.moved > _STUCK:
            raise ConfigError(f"the loudspeaker took no sound for {_STUCK:.0f} s; is it still there?")


class _Feed:
    """Between a device's thread, which asks for blocks, and the loop, which hears what became of them."""

    def __init__(self, playback: Playback) -> None:
        self._playback = playback
        self._given = 0
        self._seen = 0
        self._ended: deque[int] = deque()
        self._due: list[tuple[float, int]] = []
        self._sounding = False
        self.moved = self.sounded = asyncio.get_running_loop().time()

    def fill(self) -> bytes:
        """The next block; called by the device."""
        block = self._playback.block()
        self._given += 1
        self._sounding = block.sounding
        self._ended += block.ended
        return block.pcm

    def look(self, now: float) -> None:
        """Note whether the device still asks."""
        if self._given != self._seen:
            self._seen, self.moved = self._given, now
        if self._sounding or len(self._playback):
            self.sounded = now

    def over(self, now: float, latency: float) -> list[int]:
        """The plays whose last sample has left the device, *latency* seconds after it was handed over."""
        while self._ended:
            self._due.append((now + latency, self._ended.popleft()))
        ready = [play for due, play in self._due if due <= now]
        self._due = [each for each in self._due if each[0] > now]
        return ready


def speaker(name: str, home: Path, device: str | int | None = None, rate: int = 24_000) -> Speaker:
    """The loudspeaker, as ``NAME.play`` and so on: for loom.toml."""
    return Speaker(name, device, rate=rate)


def wav_speaker(
    name: str,
    home: Path,
    file: str,
    rate: int = 24_000,
    fast: bool = False,
    gap: float = 1.0,
    longest: float = 3600.0,
) -> WavSpeaker:
    """What would be heard goes to *file*, below *home*: for loom.toml."""
    return WavSpeaker(name, home / file, rate=rate, fast=fast, gap=gap, longest=longest)


def _header(rate: int, nbytes: int) -> bytes:
    body = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", nbytes + 36) + b"WAVEfmt " + body + b"data" + struct.pack("<I", nbytes)
