"""The console as an action: lines of text, with nothing in them that a terminal would obey."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from typing import TextIO

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.errors import ActionFailed

LONGEST = 20_000


def plain(text: str, longest: int = LONGEST) -> str:
    """*text* without control characters other than line ends and tabs, cut after *longest* characters.

    Security: what an agent prints may come from a stranger, and escape sequences can rename windows and retype keys.
    """
    shown = "".join(
        c if c in "\n\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:longest]
    )
    return shown if len(text) <= longest else f"{shown}... ({len(text) - longest:,} more characters)"


class Console:
    """The sink with the action NAME.print, onto *stream* (standard output as it is at that moment, by default)."""

    def __init__(self, name: str = "console", stream: TextIO | None = None, prefix: str = "") -> None:
        self.name = name
        self.prefix = prefix
        self._stream = stream
        self._order = asyncio.Lock()
        self._actions = [self._print()]

    def actions(self) -> Iterable[Action]:
        """NAME.print."""
        return list(self._actions)

    async def close(self) -> None:
        """The stream is not ours to close."""

    async def write(self, text: str) -> None:
        """Print *text* as plain lines; raises ActionFailed when the other side is gone."""
        async with self._order:  # a reader that stands still holds up those who print, not the loop
            await asyncio.to_thread(self._write, plain(text))

    def _print(self) -> Action:
        @action(f"{self.name}.print", timeout=30, attempts=1)
        async def print_(text: str) -> None:
            """Print a text on the console of the runtime."""
            await self.write(text)

        made: Action = getattr(print_, ACTION)
        return made

    def _write(self, text: str) -> None:
        stream = self._stream or sys.stdout
        try:
            stream.write("".join(f"{self.prefix}{line}\n" for line in text.splitlines() or [""]))
            stream.flush()
        except UnicodeEncodeError as error:
            raise ActionFailed(
                f"the console cannot show {error.object[error.start]!a} ({error.encoding}); set PYTHONUTF8=1"
            ) from error
        except (
            OSError,
            ValueError,
            AttributeError,
        ) as error:  # a closed pipe, a closed file, no console at all
            raise ActionFailed(f"the console is gone: {error}") from error


def console(name: str, prefix: str = "") -> Console:
    """The action NAME.print; *prefix* stands before each line."""
    return Console(name, prefix=prefix)
