"""The desktop's clipboard as a source: a text that was copied is an event. It asks for consent."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

from loom.adapters._program import environment, run_program
from loom.adapters.notify import SESSION
from loom.adapters.source import Out
from loom.errors import ConfigError, NoDevice

PATIENCE = 5.0
Reader = Callable[[], Sequence[str]]


def reader(
    platform: str, environ: Mapping[str, str], which: Callable[[str], str | None]
) -> Sequence[str] | None:
    """The argument list that prints the clipboard's text on this desktop; None when there is none. Pure."""
    known: list[tuple[str, bool, Sequence[str]]] = [
        ("pbpaste", platform == "darwin", ()),
        ("wl-paste", "WAYLAND_DISPLAY" in environ, ("--no-newline", "--type", "text")),
        ("xclip", "DISPLAY" in environ, ("-selection", "clipboard", "-out")),
        ("xsel", "DISPLAY" in environ, ("--clipboard", "--output")),
    ]
    for program, fits, arguments in known:
        path = which(program) if fits else None
        if path is not None:
            return [path, *arguments]
    return None


class Clipboard:
    """Publishes {"text", "size", "cut"} on *topic* when the clipboard has another text, looked at *every* seconds.

    What it holds at the start is not told. Of a text its first *longest* bytes are; only a digest of it is kept.
    """

    consent = "ask"

    def __init__(
        self,
        name: str,
        topic: str = "clipboard.text",
        every: float = 1.0,
        longest: int = 100_000,
        command: Sequence[str] | None = None,
    ) -> None:
        if not 0.1 <= every <= 3600 or not 1 <= longest <= 10_000_000:
            raise ConfigError(
                f"{name}: every is {every} seconds, longest {longest} bytes; use 0.1 to 3600 and 1 to 10000000"
            )
        self.name = name
        self.topic = topic
        self.topics = (topic,)
        self._every = every
        self._longest = longest
        self._command = command

    async def run(self, out: Out) -> None:
        """Publish until cancelled; raises NoDevice without a desktop's clipboard."""
        command = self._command or reader(sys.platform, os.environ, shutil.which)
        if command is None:
            raise NoDevice(
                "no clipboard here: it needs a desktop and wl-paste (Wayland), xclip or xsel (X11) or pbpaste (macOS); "
                'a watched folder (use = "folder") works everywhere'
            )
        seen: bytes | None = None
        while True:
            text, cut = await self._look(command)
            digest = sha256(f"{cut} {text}".encode("utf-8", "replace")).digest()
            if seen is not None and digest != seen and text:
                await out(self.topic, {"text": text, "size": len(text.encode()) + cut, "cut": cut})
            seen = digest
            await asyncio.sleep(self._every)

    async def _look(self, command: Sequence[str]) -> tuple[str, int]:
        """The text, and the bytes that were left out of it; empty when the clipboard has no text."""
        try:
            async with asyncio.timeout(PATIENCE):
                ended = await run_program(command, env=environment(passed=SESSION), limit=self._longest)
        except TimeoutError:
            return "", 0
        return (ended.out, ended.cut) if ended.code == 0 else ("", 0)


def clipboard(
    name: str, topic: str = "clipboard.text", every: float = 1.0, longest: int = 100_000
) -> Clipboard:
    """What is copied on this desktop, on *topic*, once somebody has allowed it. Raises ConfigError."""
    return Clipboard(name, topic, every, longest)
