"""Where measured costs are kept: one JSON file in the user's cache folder, for this machine and this version."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
MOST = 1_000_000  # bytes of a file that is read


def folder() -> Path:
    """Loom's folder among the user's caches."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "loom"
    return Path.home() / ("Library/Caches/loom" if sys.platform == "darwin" else ".cache/loom")


def machine() -> str:
    """What this machine is, without its name: "Intel(R) Xeon(R) CPU, 2 processors"."""
    return f"{_processor()}, {os.cpu_count()} processors"


def read(path: Path, here: str) -> dict[str, Any]:
    """What was measured on the machine *here*, by model; empty when there is no such file, or no sense in it."""
    try:
        if path.stat().st_size > MOST:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or found.get("format") != FORMAT or found.get("machine") != here:
        return {}
    models = found.get("models")
    return {name: row for name, row in models.items() if _sound(row)} if isinstance(models, dict) else {}


def write(path: Path, here: str, models: Mapping[str, Any]) -> None:
    """Keep what was measured; raises OSError. A reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "machine": here, "models": models}, indent=1, sort_keys=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def _sound(row: object) -> bool:
    """Whether a row has the parts that are shown."""
    if not isinstance(row, dict) or not isinstance(row.get("tasks"), dict):
        return False
    tasks = list(row["tasks"].values())
    if not all(isinstance(task, dict) and isinstance(task.get("unit"), str) for task in tasks):
        return False
    numbers = (row.get("load"), row.get("memory"), *(task.get("value") for task in tasks))
    texts = (row.get("date"), row.get("error", ""))
    return all(map(_is_number, numbers)) and all(isinstance(each, str) for each in texts)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1e15


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
