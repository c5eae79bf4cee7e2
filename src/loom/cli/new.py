"""`loom new NAME`: a project that runs, with a test that passes."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from loom.cli._output import say
from loom.cli._templates import FILES
from loom.errors import ConfigError, LoomError


def describe(parser: argparse.ArgumentParser) -> None:
    """What `loom new` takes."""
    parser.description = "Makes a folder: loom.toml, agents.py, a test, a README. Overwrites nothing."
    parser.add_argument("name", help="of the project, and of its folder; a path makes it there")


def run(options: argparse.Namespace) -> int:
    """Make the project and say what to type next."""
    folder = Path(options.name)
    make_project(folder, checked_name(folder.name))
    say(f"Made {options.name}/: {', '.join(FILES)}")
    say(f"Next: cd {options.name} && loom run     (Ctrl-C stops it; its test: pytest)")
    return 0


def checked_name(name: str) -> str:
    """*name* if a runtime can be called so; raises ConfigError."""
    from loom.agent.agent import check_name

    try:
        return check_name(name)
    except ConfigError:
        raise ConfigError(
            f"project name {name!r}: use letters, digits, '-' and '_', at most 128 of them"
        ) from None


def make_project(folder: Path, name: str) -> None:
    """Write the files into *folder*, which must not exist: all of them, or none. Raises ConfigError, LoomError."""
    if os.path.lexists(folder):
        raise ConfigError(f"{folder} exists already; choose another name, nothing was changed")
    parent = folder.parent
    if not parent.is_dir():
        raise ConfigError(f"there is no folder {parent} to make {folder.name} in")
    made: str | None = None
    try:
        made = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent)
        os.chmod(made, 0o777 & ~_umask())
        for file, text in FILES.items():
            Path(made, file).write_text(text.format(name=name), encoding="utf-8")
        os.rename(made, folder)
    except OSError as error:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
        raise LoomError(f"cannot make {folder}: {error.strerror or error}; nothing was left behind") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
