"""The catalog of models as lines of text for any width from 40 columns. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from loom.cli._models_packages import Presence
from loom.cli._output import size
from loom.models.catalog import Backend

WIDE = 72
NAMES = 14


class Row(NamedTuple):
    """A backend, what is there of it, and what it costs here if that was measured."""

    backend: Backend
    presence: Presence
    cost: Mapping[str, Any] | None


def table(rows: Iterable[Row], width: int) -> list[str]:
    """Every backend: a line with the facts, then what it is, what it costs, or what brings it."""
    lines = [_facts("model", "tasks", "runs", "on disk", "licence", width), ""]
    for row in rows:
        backend, there = row.backend, row.presence
        disk = size(there.nbytes) if there.nbytes else "-"
        does, licence = _fitting(tasks(backend), backend.licence, width)
        lines.append(_facts(backend.name, does, "local", disk, licence, width))
        told = [backend.summary]
        told += [] if licence else [f"licence {backend.licence or 'not said'}"]
        told += [] if does else [f"does {tasks(backend)}"]
        told.append(costs(row) if there.installed else "not installed")
        lines += [part for each in told for part in _below(each, width)]
        if not there.installed:
            lines.append(f"  {there.install}")  # not wrapped: it is there to be copied
        lines.append("")
    return lines[:-1]


def tasks(backend: Backend) -> str:
    """What it does; a star marks what comes in pieces too."""
    names = [f"{task}*" if task in backend.streams else task for task in backend.tasks]
    return ", ".join(names)


def costs(row: Row) -> str:
    """What was measured, or how to."""
    cost = row.cost
    if row.backend.needs:
        return f"installed; runs a model of yours, which it needs to be told: {', '.join(row.backend.needs)}"
    if cost is None:
        return f"installed, not measured yet: loom models --measure {row.backend.name}"
    if "error" in cost:
        return f"installed, but it did not work on {cost['date']}: {cost['error']}"
    found = [f"loads in {cost['load']:.2g} s", f"{size(cost['memory'])} of memory"]
    found += [f"{task} {figure(each)}" for task, each in cost["tasks"].items()]
    old = "" if cost.get("packages") == row.presence.versions else ", with other versions of its packages"
    return f"{', '.join(found)} (measured {cost['date']}{old})"


def figure(cost: Mapping[str, Any]) -> str:
    """A cost as people read it: 0.11 x real time, 5.7 ms, 41 tokens/s."""
    value = cost["value"]
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f} {cost['unit']}"


def _fitting(does: str, licence: str, width: int) -> tuple[str, str]:
    """What of both has room in the columns of a line."""
    if width < WIDE:
        return (does if len(does) < width - NAMES - 10 else ""), ""
    return (does if len(does) <= width - NAMES - 34 else ""), (licence if len(licence) <= 14 else "")


def _facts(name: str, does: str, runs: str, disk: str, licence: str, width: int) -> str:
    if width < WIDE:
        return f"{name:{NAMES}}{does:{max(0, width - NAMES - 10)}}{disk:>10}"
    return f"{name:{NAMES}}{does:{width - NAMES - 34}} {runs:6}{disk:>10}  {licence}".rstrip()


def _below(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
