"""A project: what `loom.toml` says, checked, and the runtime that is built from it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.errors import ConfigError, InvalidTopic
from loom.event.topic import check_pattern
from loom.runtime._config_places import Path as KeyPath
from loom.runtime._config_places import line_of, places

if TYPE_CHECKING:
    from loom.router.settings import Settings

NUMBER = (int, float)
# For each kind of table: the keys it may have, and the type of each. `state` and the settings of sources, sinks and
# models are checked by what they are given to.
SETTINGS: dict[str, type | tuple[type, ...]] = {
    "name": str, "drain": NUMBER, "watchdog": NUMBER, "concurrency": int, "seed": int, "approval_timeout": NUMBER,
    "data": str, "key": str, "backend": str,
}  # fmt: skip
AT_LEAST = {"drain": 0, "watchdog": 0.001, "concurrency": 1, "approval_timeout": 0}
PARTS: dict[str, dict[str, type]] = {
    "sources": {"use": str, "topic": str, "topics": list, "consent": str},
    "agents": {"use": str, "grants": list, "state": dict},
    "actions": {"use": str, "approval": str},
    "models": {"use": str},
}
JOURNAL: dict[str, type | tuple[type, ...]] = {
    "keep": bool, "sync": bool, "age": NUMBER, "count": int, "size": int, "compact": bool,
}  # fmt: skip
GATEWAY: dict[str, type | tuple[type, ...]] = {
    "host": str, "port": int, "keys": str, "label": str, "clearance": str, "body": int, "connections": int,
    "concurrency": int, "patience": NUMBER, "timeout": NUMBER, "drain": NUMBER, "hosts": list, "origins": list,
}  # fmt: skip
OPEN = ("sources", "models", "actions")  # other keys are settings of what `use` names
WORDS = {
    str: "text in quotes",
    int: "a whole number",
    list: "a list",
    dict: "a table",
    NUMBER: "a number",
    bool: "true or false",
}
APPROVALS = ("allow", "ask", "deny")
CONSENTS = ("given", "ask")


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a project: what it is called, what it uses, and its other keys."""

    kind: str
    name: str
    use: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A checked `loom.toml`: the runtime's settings and the parts, in the order they are written."""

    file: Path
    settings: Mapping[str, Any]
    parts: tuple[Part, ...]
    lines: Mapping[KeyPath, int]
    journal: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gateway: Mapping[str, Any] | None = None
    router: Settings | None = None

    @property
    def folder(self) -> Path:
        """The folder of the file: code that it names lies in here."""
        return self.file.parent

    def of(self, kind: str) -> list[Part]:
        """The parts of one kind."""
        return [part for part in self.parts if part.kind == kind]

    def wrong(self, path: KeyPath, what: str) -> ConfigError:
        """The error that *what* is wrong at *path*, with file and line."""
        return ConfigError(f"{self.file}:{line_of(dict(self.lines), path)}: {what}")


def read_project(file: str | Path) -> Project:
    """Read and check a project file; raises ConfigError with file, line and what to do."""
    path = Path(file)
    if path.is_dir():
        path /= "loom.toml"
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"no file {path}; `loom new NAME` makes a project, `loom run PATH` runs one"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    return parse_project(text, path)


def parse_project(text: str, file: Path) -> Project:
    """Check the text of a project file; pure."""
    try:
        # TOML itself reads \r\n as a line's end; the count of lines below only looks at \n.
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}:{_position(str(error), text)}") from None
    except RecursionError:
        raise ConfigError(f"{file}: nested too deeply to be read") from None
    lines = places(text)
    project = Project(file, document.get("loom", {}), (), lines)
    _check_tables(project, document)
    parts = tuple(
        _part(project, kind, name, values)
        for kind in PARTS
        for name, values in document.get(kind, {}).items()
    )
    settings = dict(project.settings)
    if "data" in settings:
        settings["data"] = str(project.folder / settings["data"])
    if "key" in settings and settings["key"].partition(":")[0] not in ("env", "keyring"):
        settings["key"] = str(project.folder / settings["key"].removeprefix("file:"))
    return Project(
        file,
        settings,
        parts,
        lines,
        document.get("journal", {}),
        document.get("gateway"),
        _router(project, document),
    )


def nearest_key(word: str, known: Iterable[str]) -> str:
    """Advice about a key that does not exist."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"


def check_type(project: Project, path: KeyPath, value: object, wanted: type | tuple[type, ...]) -> None:
    """Raise ConfigError unless *value* is of the type; a truth value is not a number."""
    if isinstance(value, wanted) and (not isinstance(value, bool) or wanted is bool):
        return
    word = WORDS.get(wanted, "something else")
    raise project.wrong(path, f"{dotted(path)} must be {word}, not {shown(value)}")


def dotted(path: KeyPath) -> str:
    """A path as people write it."""
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"' for part in path)


def shown(value: object) -> str:
    """A value as it stands in TOML, shortened."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _position(message: str, text: str) -> str:
    """'LINE:COLUMN: what' from the message of the TOML reader."""
    match = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if match:
        return f"{match[1]}:{match[2]}: {message[: match.start()]}"
    lines = text.splitlines() or [""]
    return f"{len(lines)}:{len(lines[-1]) + 1}: {message.removesuffix(' (at end of document)')}, but the file ends here"


def _check_tables(project: Project, document: Mapping[str, Any]) -> None:
    for kind, content in document.items():
        known = ("loom", "journal", "gateway", "router", *PARTS)
        if kind not in known:
            raise project.wrong((kind,), f"no table or key {kind!r}; {nearest_key(kind, known)}")
        check_type(project, (kind,), content, dict)
    for key, value in project.settings.items():
        if key not in SETTINGS:
            raise project.wrong(("loom", key), f"no key {key!r} in [loom]; {nearest_key(key, SETTINGS)}")
        check_type(project, ("loom", key), value, SETTINGS[key])
        if key in AT_LEAST and not value >= AT_LEAST[key]:
            raise project.wrong(("loom", key), f"loom.{key} must be at least {AT_LEAST[key]}, not {value!r}")

    _check_gateway(project, document.get("gateway", {}))
    for pattern, rule in document.get("journal", {}).items():
        check_type(project, ("journal", pattern), rule, dict)
        for key, value in rule.items():
            path = ("journal", pattern, key)
            if key not in JOURNAL:
                raise project.wrong(path, f"no key {key!r} in a journal rule; {nearest_key(key, JOURNAL)}")
            check_type(project, path, value, JOURNAL[key])
    if "journal" in document and "data" not in project.settings:
        raise project.wrong(("journal",), 'journal rules need a store: set data = "data" under [loom]')


def _router(project: Project, document: Mapping[str, Any]) -> Settings | None:
    if "router" not in document:
        return None
    from loom.router.settings import read_settings

    lines = dict(project.lines)
    models = document.get("models", {})
    return read_settings(document["router"], lambda path: f"{project.file}:{line_of(lines, path)}", models)


def _check_gateway(project: Project, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key not in GATEWAY:
            raise project.wrong(("gateway", key), f"no key {key!r} in [gateway]; {nearest_key(key, GATEWAY)}")
        check_type(project, ("gateway", key), value, GATEWAY[key])
        for each in value if isinstance(value, list) else ():
            check_type(project, ("gateway", key), each, str)


def _part(project: Project, kind: str, name: str, values: object) -> Part:
    path = (kind, name)
    check_type(project, path, values, dict)
    assert isinstance(values, dict)
    known = PARTS[kind]
    for key, value in values.items():
        if key in known:
            check_type(project, (*path, key), value, known[key])
        elif kind not in OPEN:
            raise project.wrong(
                (*path, key), f"no key {key!r} in [{dotted(path)}]; {nearest_key(key, known)}"
            )
    if not values.get("use"):
        near = difflib.get_close_matches("use", values, n=1, cutoff=0.5)
        hint = f", did you mean it by {near[0]!r}?" if near else ""
        raise project.wrong((*path, near[0]) if near else path, f'[{dotted(path)}] needs use = "..."{hint}')
    _check_words(project, path, values)
    return Part(kind, name, values["use"], {key: value for key, value in values.items() if key != "use"})


def _check_words(project: Project, path: KeyPath, values: Mapping[str, Any]) -> None:
    for key in ("grants", "topics"):
        for each in values.get(key, ()) if key in PARTS[path[0]] else ():
            check_type(project, (*path, key), each, str)
            if key == "topics":
                _check_pattern(project, (*path, key), each)
    for key, words in (("approval", APPROVALS), ("consent", CONSENTS)):
        if key in PARTS[path[0]] and (word := values.get(key, words[0])) not in words:
            raise project.wrong((*path, key), f"{key} is {shown(word)}; {nearest_key(word, words)}")


def _check_pattern(project: Project, path: KeyPath, pattern: str) -> None:
    try:
        check_pattern(pattern)
    except InvalidTopic as error:
        raise project.wrong(path, str(error)) from None
