"""`loom models`: the backends of the catalog, what is installed of them, and what they cost on this machine."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from loom.cli import _models_cache
from loom.cli._models_packages import look
from loom.cli._models_table import Row, figure, table
from loom.cli._output import columns, complain, is_terminal, say, size
from loom.errors import LoomError
from loom.models.catalog import BACKENDS, Backend

DESCRIPTION = """\
The models that Loom can run here, each in a process of its own: what they do
(a star: also in pieces), how big their packages are, under which licence,
and what they cost on this machine once they have been measured. Nothing is
downloaded; for what is missing there is the command that installs it.

`loom models import FILE` reads the routing policy of a vLLM Semantic Router
and prints its decisions, what of them is not known here, and the lines for
loom.toml that use it.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the options of `loom models`."""
    parser.description = DESCRIPTION
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these models")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="load each model, time it on a small input, and keep the figures",
    )
    parser.add_argument(
        "--recipe", default="", metavar="NAME", help="with import: which of the policies in the file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """Show the table; with --measure, measure before."""
    from loom.adapters.local_model import find

    if options.names[:1] == ["import"]:
        from loom.cli._models_import import check_import, show_import

        return show_import(check_import(options.names), options.recipe, options.json, columns())
    chosen = [find(name) for name in options.names] or list(BACKENDS.values())
    path, here = _models_cache.folder() / "models.json", _models_cache.machine()
    known = _models_cache.read(path, here)
    failed = False
    if options.measure:
        fresh, failed = _measure_all(chosen, bool(options.names))
        known = {**known, **fresh}
        _keep(path, here, known)
    rows = [Row(backend, look(backend), known.get(backend.name)) for backend in chosen]
    if options.json:
        say(json.dumps({"machine": here, "models": [as_json(row) for row in rows]}, indent=2))
    else:
        for line in table(rows, columns()):
            say(line)
    return int(failed)


def as_json(row: Row) -> dict[str, Any]:
    """One row for programs."""
    backend, there = row.backend, row.presence
    return {
        "name": backend.name,
        "summary": backend.summary,
        "tasks": sorted(backend.tasks),
        "streams": sorted(backend.streams),
        "location": "local",
        "licence": backend.licence,
        "extra": backend.extra,
        "installed": there.installed,
        "packages": {"versions": there.versions, "missing": list(there.missing), "nbytes": there.nbytes},
        "install": there.install or None,
        "memory_limit": backend.memory_limit,
        "cost": row.cost,
    }


def _measure_all(chosen: Iterable[Backend], named: bool) -> tuple[dict[str, Any], bool]:
    """The costs of all that are installed, and whether something went wrong; voices before ears."""
    fresh: dict[str, Any] = {}
    failed = False
    speech: list[bytes] = []
    chosen = list(chosen)
    if not any("speak" in each.tasks for each in chosen) and any(
        "transcribe" in each.tasks for each in chosen
    ):
        speech += _spoken()
    for backend in sorted(chosen, key=lambda each: "speak" not in each.tasks):
        there = look(backend)
        if not there.installed:
            failed = failed or named
            if named:
                complain(f"loom models: {backend.name} is not installed; run: {there.install}")
            continue
        if backend.needs:
            complain(
                f"{backend.name}: runs a model of yours ({', '.join(backend.needs)}); nothing to measure without"
            )
            continue
        row = _measured(backend, there.versions, speech)
        failed = failed or "error" in row
        fresh[backend.name] = row
    return fresh, failed


def _spoken() -> list[bytes]:
    """What an installed voice says, for ears that are measured without it; nothing when there is none."""
    from loom.cli._models_measure import say
    from loom.runtime import local_model

    for backend in BACKENDS.values():
        if "speak" in backend.tasks and look(backend).installed:
            try:
                return [asyncio.run(say(local_model(backend.name, idle=None)))]
            except (LoomError, KeyError, TypeError, ValueError):  # a hum has to do
                return []
    return []


def _measured(backend: Backend, versions: Mapping[str, str], speech: list[bytes]) -> dict[str, Any]:
    from loom.cli._models_measure import measure
    from loom.runtime import local_model

    row: dict[str, Any] = {
        "date": date.today().isoformat(),  # noqa: DTZ011 - for people, where they are
        "packages": dict(versions),
        "load": 0,
        "memory": 0,
        "tasks": {},
    }
    progress = Progress(backend.name)
    try:
        costs = asyncio.run(measure(backend, local_model(backend.name, idle=None), progress.now, speech))
    except LoomError as error:
        row["error"] = _first_line(error)
        progress.done(f"failed: {row['error']}")
        return row
    row.update(load=round(costs.load, 3), memory=costs.memory)
    row["tasks"] = {task: {"value": round(c.value, 5), "unit": c.unit} for task, c in costs.tasks.items()}
    if costs.errors:
        row["error"] = "; ".join(f"{task}: {text.splitlines()[0]}" for task, text in costs.errors.items())
    told = [f"{task} {figure(cost)}" for task, cost in row["tasks"].items()]
    told += [f"failed: {row['error']}"] if costs.errors else []
    progress.done(f"loaded in {costs.load:.2g} s, {', '.join([size(costs.memory), *told])}")
    return row


class Progress:
    """Tells on standard error what is being measured: in one line of a terminal, or in a line for each model."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._live = is_terminal() and sys.stderr.isatty()

    def now(self, what: str) -> None:
        """*what* has begun."""
        if self._live:
            sys.stderr.write(f"\r\x1b[K{self._name}: {what} ...")
            sys.stderr.flush()

    def done(self, text: str) -> None:
        """The model has been measured."""
        complain(f"{chr(13) + chr(27) + '[K' if self._live else ''}{self._name}: {text}")


def _keep(path: Path, here: str, known: Mapping[str, Any]) -> None:
    try:
        _models_cache.write(path, here, known)
    except OSError as error:
        complain(f"loom models: the figures cannot be kept in {path}: {error.strerror}")


def _first_line(error: LoomError) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
