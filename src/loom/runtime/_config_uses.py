"""What `use = "..."` means: a built-in, an entry point, or a name in the project's own folder, and nothing else.

Security: a project file must not be a way to run any importable code. `module:Name` is looked up by path below the
folder of the file, links resolved, never on the import path; what is called with settings must be defined there too.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from loom.actions.registry import nearest
from loom.errors import ConfigError, LoomError
from loom.runtime._builtins import BUILTINS, load_builtin
from loom.runtime.config import Part, Project

_USE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*\Z")


def find_use(project: Project, part: Part) -> Any:
    """The object that *part* uses; raises ConfigError with the line."""
    path = (part.kind, part.name, "use")
    if ":" in part.use or "/" in part.use:
        if not _USE.match(part.use):
            raise project.wrong(
                path, f'use = {part.use!r} is not of the form "module:Name", as in "agents:Greeter"'
            )
        return _from_project(project, part)
    builtins = BUILTINS.get(part.kind, {})
    if part.use in builtins:
        return load_builtin(builtins[part.use])
    points = _entry_points(part.kind)
    if part.use in points:
        return points[part.use].load()
    known = sorted({*builtins, *points})
    hint = (
        f"did you mean {near}?"
        if (near := nearest(part.use, known))
        else f"there are {', '.join(known) or 'none'}"
    )
    singular = part.kind.removesuffix("s")
    raise project.wrong(
        path, f'no {singular} {part.use!r} is built in or installed; {hint} One of your own: "module:Name"'
    )


def defined_in(project: Project, thing: object) -> bool:
    """Whether *thing* was defined by code in the project's folder, not imported into it."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    return module is not None and _inside(project, getattr(module, "__file__", None))


def _entry_points(kind: str) -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"loom.{kind}")}


def _from_project(project: Project, part: Part) -> Any:
    path = (part.kind, part.name, "use")
    module_name, _, name = part.use.partition(":")
    module = _module(project, path, module_name)
    if name.startswith("__") or not hasattr(module, name):
        public = [word for word in vars(module) if not word.startswith("_")]
        hint = f"; did you mean {near}?" if (near := nearest(name, public)) else ""
        raise project.wrong(path, f"{module.__file__} has no {name!r}{hint}")
    return getattr(module, name)


def _module(project: Project, path: tuple[str, ...], name: str) -> ModuleType:
    """The module of the project's folder called *name*, executed once, with the packages around it."""
    search, module = [str(project.folder.resolve())], None
    made = ""
    for part in name.split("."):
        made = f"{made}.{part}" if made else part
        spec = PathFinder.find_spec(made, search)
        if spec is None or not _inside(project, spec.origin):
            raise project.wrong(
                path,
                f"no module {made!r} in {project.folder.resolve()}; code comes from the project's folder only",
            )
        module = _loaded(project, path, made, spec)
        search = list(spec.submodule_search_locations or ())
    assert module is not None
    return module


def _loaded(project: Project, path: tuple[str, ...], name: str, spec: ModuleSpec) -> ModuleType:
    present = sys.modules.get(name)
    if name.partition(".")[0] in sys.stdlib_module_names or (
        present is not None and not _inside(project, present.__file__)
    ):
        raise project.wrong(
            path, f"{spec.origin} has the name of another module, {name!r}; give the file another name"
        )
    if present is not None:
        return present
    folder = str(project.folder.resolve())
    if folder not in sys.path:  # last: what the project imports itself, and its functions in worker processes
        sys.path.append(folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    assert spec.loader is not None
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a stranger's code: told in one line, with its place
        del sys.modules[name]
        where = _last_line(project, error) or spec.origin
        said = str(error) if isinstance(error, LoomError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"{where}: {said}") from error
    return module


def _inside(project: Project, origin: str | None) -> bool:
    return origin is not None and Path(origin).resolve().is_relative_to(project.folder.resolve())


def _last_line(project: Project, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _inside(project, f.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
