"""What a project file may use by a plain name; each leads to a row of the runtime's table of late imports."""

from __future__ import annotations

from typing import Any

from loom.runtime._backends import load

BUILTINS: dict[str, dict[str, str]] = {
    "sources": {
        "camera": "camera",
        "folder": "folder",
    },
    "models": {"faces": "faces"},
}


def load_builtin(row: str) -> Any:
    """The factory behind a row; raises MissingExtra when its package is not installed."""
    return load(row)
