"""The live view of a running demo, drawn with rich. A leaf: imported when there is a terminal to draw on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from loom.cli._output import columns
from loom.cli._rate import Speedometer
from loom.cli._screen import live
from loom.errors import MissingExtra

try:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text
except ImportError as error:
    raise MissingExtra("cli", "rich") from error

EVERY = 0.25


async def watch(camera: Any) -> None:
    """Draw what *camera* reads until cancelled."""
    speed = Speedometer()

    def lines() -> list[str]:
        now = camera.reading()
        return live(now, columns(), speed(now))

    await draw(lines)


async def draw(lines: Callable[[], list[str]]) -> None:
    """Show the lines again and again in the same place, as many as the terminal has room for; wiped at the end."""
    console = Console(highlight=False, soft_wrap=False)
    with Live(console=console, auto_refresh=False, transient=True, redirect_stderr=True) as view:
        while True:
            view.update(Group(*map(_styled, lines()[: console.height - 1])), refresh=True)
            await asyncio.sleep(EVERY)


def _styled(line: str) -> Text:
    text = Text(line, no_wrap=True, overflow="crop")
    if line.startswith(("loom ", "milliseconds", "queue ")):
        text.stylize("bold")
    if line.startswith("… with flood"):
        text.stylize("green")
    text.highlight_regex(r"\d[\d,]* (merged|drop_\w+|shed|expired|refused|cancelled)", "yellow")
    return text
