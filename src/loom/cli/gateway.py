"""`loom gateway`: the models of a project over HTTP, and the keys for it."""

from __future__ import annotations

import argparse
import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.cli._output import complain, say
from loom.cli._signals import on_first_signal
from loom.errors import ConfigError

if TYPE_CHECKING:
    from loom.runtime.config import Project

KEYS = "gateway-keys.json"
WORDS = ("key", "keys", "revoke")


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom gateway` takes."""
    parser.usage = (
        "loom gateway [PROJECT] [--port N]\n"
        "       loom gateway key NAME [--label private] [--budget 1.0/day]\n"
        "       loom gateway keys\n"
        "       loom gateway revoke NAME"
    )
    parser.description = (
        "Serves the models of a project (loom.toml) to programs that speak OpenAI's or\n"
        "Anthropic's HTTP, and nothing else of it; `loom run` serves them beside the\n"
        "agents where the project has a table [gateway].\n\n"
        "`key` makes a key and prints it, once: only its hash is kept. Where there is a\n"
        "key, every program needs one."
    )
    parser.add_argument("words", nargs="*", metavar="PROJECT", help=argparse.SUPPRESS)
    parser.add_argument("--host", help="listen here instead of where [gateway] says")
    parser.add_argument("--port", type=int, help="on this port; 0: any free one")
    parser.add_argument("--project", default=".", help="key, keys, revoke: of this project (the one here)")
    parser.add_argument("--label", default="public", help="key: cleared for this and less (public)")
    parser.add_argument(
        "--default-label", default="public", help="key: what comes with it is at least this (public)"
    )
    parser.add_argument("--models", default="*", help="key: only these, as in auto,local,profile:cheap")
    parser.add_argument(
        "--kinds", default="*", help="key: only these: chat,embeddings,transcriptions,speech,models"
    )
    parser.add_argument("--budget", default="", help="key: money, as in 1.0/day or 20/total")
    parser.add_argument("--max-cost", type=float, help="key: the most that one request may cost")


def run(options: argparse.Namespace) -> int:
    """Serve, or do what is to be done with keys; 0 when it worked."""
    words: list[str] = options.words
    if words and words[0] in WORDS:
        return _keys(words[0], words[1:], options)
    if len(words) > 1:
        raise ConfigError(f"loom gateway takes one project, not {len(words)}; see loom gateway --help")
    return _serve(words[0] if words else ".", options)


def _keys(deed: str, names: list[str], options: argparse.Namespace) -> int:
    if len(names) != (deed != "keys"):
        raise ConfigError(
            f"loom gateway {deed}{' NAME' if deed != 'keys' else ''}: give one name, or none for keys"
        )
    file = _key_file(options.project)
    if deed == "keys":
        return _list(file)
    if deed == "revoke":
        file.remove(names[0])
        say(f"{names[0]} is taken back; a gateway that runs notices within seconds")
        return 0
    from loom.runtime._backends import load

    models = _words(options.models)
    client = load("gateway_client")(
        names[0], clearance=options.label, label=options.default_label, budget=options.budget,
        models=models, kinds=_words(options.kinds), max_cost=options.max_cost,
    )  # fmt: skip
    _check_models(options.project, models)
    key = file.add(client)
    say(key)
    complain(f"the key of {names[0]!r}, shown this once; {file.path} keeps its hash")
    return 0


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _check_models(place: str, patterns: list[str]) -> None:
    """Raise ConfigError, with the nearest name, for one that nothing in the project at *place* is called by."""
    from fnmatch import fnmatchcase

    from loom.router.profiles import PROFILES
    from loom.runtime.config import nearest_key, read_project

    if not _has_file(place):
        return
    project = read_project(place)
    profiles = PROFILES if project.router is None else project.router.profiles
    known = ["auto", "local", "cloud", *(f"profile:{each}" for each in profiles)]
    known += [each.name for each in project.of("models")]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise ConfigError(
                f"--models {pattern!r:.80} is no model of {project.file}; {nearest_key(pattern, known)}"
            )


def _has_file(place: str) -> bool:
    path = Path(place)
    return path.is_file() or (path / "loom.toml").exists()


def _list(file: Any) -> int:
    clients = sorted(file.read().clients.values(), key=lambda each: each.name)
    say(f"{'key':20}{'cleared for':14}{'models':28}{'kinds':20}{'budget':>14}")
    for each in clients:
        budget = "-" if each.budget is None else f"{each.budget:g}/{each.period}"
        cleared = each.clearance.name.lower().replace("_", "-")
        say(f"{each.name:20}{cleared:14}{','.join(each.models):28}{','.join(each.kinds):20}{budget:>14}")
    if not clients:
        say("no keys; loom gateway key NAME makes one")
    return 0


def _key_file(place: str) -> Any:
    """The file of the keys of the project at *place*: what its [gateway] says, or the one beside it."""
    from loom.runtime._backends import load
    from loom.runtime.config import read_project

    path = Path(place)
    folder = path if path.is_dir() else path.parent
    name = KEYS
    if (folder / "loom.toml").exists():
        project = read_project(path)
        folder, name = project.folder, (project.gateway or {}).get("keys", KEYS)
    return load("gateway_keys")(folder / name)


def _serve(place: str, options: argparse.Namespace) -> int:
    from loom.runtime._config_build import build
    from loom.runtime.config import read_project

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    project = read_project(place)
    given = {"host": options.host, "port": options.port}
    table = {**(project.gateway or {}), **{name: value for name, value in given.items() if value is not None}}
    alone = replace(project, parts=tuple(project.of("models")), journal={}, gateway=None)
    return asyncio.run(_run(build(alone), project, table))


async def _run(loom: Any, project: Project, table: dict[str, Any]) -> int:
    from loom.runtime._backends import load

    told = asyncio.Event()
    on_first_signal(told.set)
    gateway = await asyncio.to_thread(load("gateway"), loom, project.folder, table)
    async with loom.add(gateway):
        models = ", ".join(each.name for each in loom.models) or "no models"
        keys = "a key is needed" if gateway.ring.needed else "no key needed on this machine"
        say(f"{gateway.url}/v1 serves {models}; {keys}; Ctrl-C drains and stops")
        await told.wait()
        return 1 if await loom.stop() else 0
