"""Notifications on the desktop, by the desktop's own program and an argument list."""

from __future__ import annotations

import html
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._program import environment, run_program
from loom.adapters.console import plain
from loom.errors import ActionFailed

SESSION = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "XAUTHORITY",
    "HOME",
    "USER",
)
_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")
Urgency = Literal["low", "normal", "critical"]


def notifier() -> str | None:
    """The path of the program that shows notifications here; None when there is none."""
    return shutil.which("osascript" if sys.platform == "darwin" else "notify-send")


def command(program: str, title: str, text: str, urgency: str) -> Sequence[str]:
    """The argument list that shows one notification; what is in *title* and *text* is text, whatever it looks like."""
    title, text = plain(title, 200), plain(text, 2000)
    if program.endswith("osascript"):
        lines = [part for line in _SCRIPT for part in ("-e", line)]
        return [program, *lines, title or "Loom", text]
    body = html.escape(text, quote=False)  # the text may have markup, by the desktop's rules
    return [program, "--app-name=Loom", f"--urgency={urgency}", "--", title or "Loom", body]


class Notifications:
    """The sink with the action NAME.send; *program* is looked up when it is first used."""

    def __init__(self, name: str = "notify", program: str | None = None) -> None:
        self.name = name
        self._program = program
        self._actions = [self._send()]

    def actions(self) -> Iterable[Action]:
        """NAME.send."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing is open."""

    def _send(self) -> Action:
        @action(f"{self.name}.send", timeout=10, attempts=1)
        async def send(title: str, text: str = "", urgency: Urgency = "normal") -> None:
            """Show a notification on the desktop of this machine."""
            program = self._program or notifier()
            if program is None:
                raise ActionFailed(
                    f"{self.name}.send: no desktop that shows notifications (notify-send of libnotify-bin, or macOS) "
                    'is here; use "console" or "ui" instead'
                )
            env = environment(passed=SESSION)
            ended = await run_program(command(program, title, text, urgency), env=env, limit=2000)
            if ended.code:
                said = plain(ended.err.strip(), 300) or f"exit status {ended.code}"
                raise ActionFailed(f"{self.name}.send: the desktop refused the notification: {said}")

        made: Action = getattr(send, ACTION)
        return made


def notify(name: str) -> Notifications:
    """The action NAME.send."""
    return Notifications(name)
