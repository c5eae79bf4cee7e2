"""`loom models import FILE`: what a policy of the vLLM Semantic Router comes to here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loom.cli._output import counted, field, say
from loom.cli._why_lines import clean
from loom.errors import ConfigError
from loom.router.vllm_import import Choice, Imported
from loom.router.vllm_import.policy import load_policy
from loom.router.vllm_import.tree import leaves


def show_import(file: Path, recipe: str, as_json: bool, width: int) -> int:
    """Print the decisions, what stays unknown, and the lines for loom.toml; raises ConfigError, MissingExtra."""
    imported = load_policy(file, recipe)
    if as_json:
        say(json.dumps(facts(imported), indent=2))
        return 0
    for line in [*report(imported, width), "", *lines_for(imported, file)]:
        say(line)
    return 0


def facts(imported: Imported) -> dict[str, Any]:
    """The policy for programs."""
    return {
        "name": imported.name,
        "decisions": [
            {"name": each.name, "priority": each.priority, "models": list(each.models), "refuses": each.refuses,
             "unknown": unknown_of(imported, each)}
            for each in imported.choices
        ],
        "signals": len(imported.signals),
        "left_out": dict(imported.left_out),
    }  # fmt: skip


def report(imported: Imported, width: int) -> list[str]:
    """The decisions in the order in which they are looked at, and what is not known here."""
    lines = [
        f"policy {imported.name}: {counted(len(imported.choices), 'decision')}, looked at in this order",
        "",
    ]
    for choice in imported.choices:
        lines += _told(choice.name, choice.about or "no description", width)
        nobody = "nobody: it refuses" if choice.refuses else "whoever you name below"
        lines += _told("  asks", ", ".join(choice.models) or nobody, width)
        if unknown := unknown_of(imported, choice):
            lines += _told("  unknown", ", ".join(unknown), width)
    known = len(imported.signals) - len(imported.left_out)
    lines += ["", f"{known} of {counted(len(imported.signals), 'signal')} are found out here"]
    for name, why in imported.left_out.items():
        lines += _told("  not", f"{name}: {why}", width)
    return lines


def _told(label: str, text: str, width: int) -> list[str]:
    return field(clean(label), clean(text), width, 14)


def unknown_of(imported: Imported, choice: Choice) -> list[str]:
    """The signals of *choice* that Loom does not find out; what hangs on them alone does not match."""
    asked = set(leaves(choice.tree))
    for leaf in list(asked):
        band = imported.bands.get(leaf.name) if leaf.kind == "projection" else None
        asked |= {part.leaf for part in band.inputs} if band else set()
    known = {f"{kind}:{name}" for kind, name in imported.signals} - imported.left_out.keys()
    known |= {f"projection:{name}" for name in imported.bands}
    return sorted(
        {name for leaf in asked if (name := f"{leaf.kind}:{leaf.signal}") not in known or leaf.bounded}
    )


def lines_for(imported: Imported, file: Path) -> list[str]:
    """What loom.toml says to use it."""
    lines = ["# in loom.toml; models are those of [models.NAME], or local, cloud, refuse", "[router.import]"]
    lines += [f"file = {json.dumps(str(file))}", f"recipe = {json.dumps(imported.name)}", ""]
    lines.append("[router.import.backends]")
    for choice in imported.choices:
        asked = ["refuse"] if choice.refuses else list(choice.models) or ["local"]
        lines.append(f"{json.dumps(choice.name)} = {json.dumps(asked)}")
    return lines


def check_import(names: list[str]) -> Path:
    """The file of `loom models import FILE`; raises ConfigError."""
    if len(names) != 2:
        raise ConfigError("loom models import takes one FILE: the YAML of a vLLM Semantic Router")
    return Path(names[1])
