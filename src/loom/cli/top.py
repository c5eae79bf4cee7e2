"""`loom top`: what a running `loom run` is doing."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from loom.cli import _socket
from loom.cli._output import columns, is_terminal, say
from loom.cli._table import Growth, table
from loom.errors import ConfigError, LoomError, MissingExtra


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom top` takes."""
    parser.description = "Watches a runtime started with `loom run` by the same user on this machine."
    parser.add_argument("name", nargs="?", help="which one, by name or process id, when several run")
    parser.add_argument("--once", action="store_true", help="one look, as plain lines")
    parser.add_argument("--json", action="store_true", help="one look, as JSON")
    parser.add_argument("--plain", action="store_true", help="plain lines, no live view")


def run(options: argparse.Namespace) -> int:
    """Show it until Ctrl-C or until it has stopped."""
    path = choose(_socket.running(), options.name)
    try:
        _show(path, options)
    except KeyboardInterrupt:  # the ordinary way to leave
        say()
    return 0


def _show(path: Path, options: argparse.Namespace) -> None:
    if options.json:
        say(json.dumps(_socket.ask(path), indent=2))
    elif options.once:
        _print(path, Growth())
    elif options.plain or not is_terminal():
        _follow(path)
    else:
        _live(path)


def choose(there: dict[str, Path], name: str | None) -> Path:
    """The socket of the runtime called *name* (or of that process id), or of the only one; raises ConfigError."""
    if not there:
        raise LoomError("nothing runs; start a project with: loom run loom.toml")
    if name is None:
        if len(there) == 1:
            return next(iter(there.values()))
        raise ConfigError(f"several run; say which: {', '.join(there)}")
    fitting = [
        path
        for full, path in there.items()
        if name in (full, full.rpartition("-")[0], full.rpartition("-")[2])
    ]
    if len(fitting) == 1:
        return fitting[0]
    what = "several are" if fitting else "none is"
    raise ConfigError(f"{what} called {name!r}; there {'are' if len(there) > 1 else 'is'} {', '.join(there)}")


def _print(path: Path, growth: Growth) -> None:
    for line in table(_socket.ask(path), columns(), growth):
        say(line)


def _follow(path: Path) -> None:
    """Lines every other second until it has stopped."""
    growth = Growth()
    try:
        while True:
            _print(path, growth)
            time.sleep(2.0)
            say()
    except LoomError:
        say("it has stopped")


def _live(path: Path) -> None:
    try:
        from loom.cli._live import draw
    except MissingExtra as missing:
        say(f"plain lines, because {missing}")
        _follow(path)
        return
    growth = Growth()
    try:
        asyncio.run(draw(lambda: table(_socket.ask(path), columns(), growth)))
    except LoomError:
        say("it has stopped")
