"""`loom source`: which sources there are, and muting, unmuting and allowing them."""

from __future__ import annotations

import argparse
import asyncio
import json
import tomllib
from pathlib import Path
from typing import Any

from loom.cli import _socket
from loom.cli._control import command
from loom.cli._data_folder import PROJECT, Place, opened
from loom.cli._output import columns, count, say
from loom.errors import ConfigError, LoomError

_SAID = {
    "mute": "muted, from the next start on",
    "unmute": "not muted any more, from the next start on",
    "allow": "allowed, from the next start on",
}


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom source` takes."""
    parser.description = (
        "Switches sources of what `loom run` runs; where nothing runs, of the project in\n"
        "this folder. What is muted publishes nothing and has its device closed, also\n"
        'after a restart. A source with consent = "ask" is silent until it is allowed.'
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listed = commands.add_parser("list", help="every source of every runtime: status and counts")
    listed.add_argument("--json", action="store_true", help="as JSON")
    for name, what in (
        ("mute", "publish nothing until it is unmuted"),
        ("unmute", "go on"),
        ("allow", "say yes, once and for all, to one that asks for consent"),
    ):
        each = commands.add_parser(name, help=what)
        each.add_argument("name", metavar="NAME", help="the source, as in [sources.NAME]")
        each.add_argument("--runtime", metavar="NAME-PID", help="of this runtime, when several have one")
    commands.add_parser("devices", help="the sound devices of this machine")


def run(options: argparse.Namespace) -> int:
    """Do what is asked; 0 when it worked."""
    if options.command == "devices":
        return _devices()
    return _list(options) if options.command == "list" else _switch(options)


def _list(options: argparse.Namespace) -> int:
    found = _found()
    if options.json:
        say(json.dumps(found, indent=2))
        return 0
    if not found:
        say("nothing runs; `loom run` a project to see its sources")
    for runtime, sources in found.items():
        say(runtime)
        for line in source_lines(sources, columns()):
            say(f"  {line}")
    return 0


def source_lines(sources: dict[str, Any], width: int) -> list[str]:
    """A table of sources; pure."""
    lines = [f"{'source':17}{'status':>12}{'published':>12}{'shed':>9}"]
    for name, each in sources.items():
        row = f"{name[:16]:17}{each['status']:>12}{count(each['published']):>12}{count(each['shed']):>9}"
        told = [f"{count(each[key])} {key}" for key in ("refused", "failures") if each[key]]
        lines.append("  ".join([row, *told])[: max(40, width - 2)])
    return lines if sources else ["no sources"]


def _switch(options: argparse.Namespace) -> int:
    holders = [each for each, sources in _found().items() if options.name in sources]
    if options.runtime is not None:
        holders = [each for each in holders if each == options.runtime]
    if len(holders) > 1:
        raise ConfigError(
            f"several have a source {options.name!r}; say which: --runtime {' or '.join(holders)}"
        )
    if holders:
        process = int(holders[0].rpartition("-")[2])
        say(command(process, {"do": options.command, "source": options.name}))
        return 0
    if options.runtime is not None:
        raise ConfigError(f"{options.runtime} does not run, or has no source {options.name!r}")
    _switch_here(options.command, options.name)
    say(f"{options.name} is {_SAID[options.command]}")
    return 0


def _switch_here(deed: str, name: str) -> None:
    """Switch a source of the project in this folder, which does not run."""
    from loom.runtime._switches import SWITCHES, FiledSwitches, switch_key
    from loom.store import Family, Put

    document = _project()
    known = document.get("sources", {})
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"nothing that runs has a source {name!r}, and {PROJECT} has {there}")
    kind, on = ("allowed", True) if deed == "allow" else ("muted", deed == "mute")
    settings = document.get("loom", {})
    if "data" not in settings:
        asyncio.run(FiledSwitches(Path(SWITCHES)).turn((kind, name), on))
        return
    with opened(Place(Path(settings["data"]), settings.get("key")), write=True) as backend:
        backend.write([Put(Family.META, switch_key(kind, name), b"1" if on else None)])


def _project() -> dict[str, Any]:
    try:
        with open(PROJECT, "rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{PROJECT} cannot be read: {error}") from None


def _found() -> dict[str, dict[str, Any]]:
    """The sources of every runtime that answers, by `name-pid`."""
    found = {}
    for name, path in _socket.running().items():
        try:
            found[name] = _socket.ask(path).get("senses", {})
        except LoomError:
            continue
    return found


def _devices() -> int:
    from loom.adapters._sound_device import devices

    found = devices()
    for each in found:
        kinds = [word for word, channels in (("hears", each.inputs), ("speaks", each.outputs)) if channels]
        say(f"{each.number:3}  {each.name}  ({', '.join(kinds) or 'neither hears nor speaks'})")
    if not found:
        say('no sound devices; a file does instead: use = "wav", and use = "wav_speaker"')
    return 0
