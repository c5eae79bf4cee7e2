"""From a checked project to a runtime with everything in it, not yet started."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from loom.actions import Action, Approval
from loom.actions.action import ACTION
from loom.actions.registry import granted
from loom.adapters import Source
from loom.agent import Agent, AgentSpec
from loom.errors import ConfigError, LoomError, MissingExtra
from loom.runtime._assembly import sort_out
from loom.runtime._config_uses import defined_in, find_use
from loom.runtime._durability import look
from loom.runtime.config import Part, Project, check_type, nearest_key
from loom.runtime.loom import Loom

GIVEN = ("arenas", "home", "name")  # what the runtime knows and a project file cannot say
KINDS = (("actions", Action), ("agents", AgentSpec), ("sources", Source))


def build(project: Project) -> Loom:
    """The runtime that *project* describes; imports the project's code, starts nothing. Raises ConfigError."""
    actions = [
        (part, _sorted_out(project, part, find_use(project, part), Action)) for part in project.of("actions")
    ]
    sources = [(part, _source(project, part)) for part in project.of("sources")]
    arenas = _arenas(sources)
    try:
        loom = Loom(**{"approvals": _approvals(actions), **project.settings})
    except ConfigError as error:
        raise project.wrong(("loom",), str(error)) from error
    for pattern, rule in project.journal.items():
        try:
            loom.journal(pattern, **rule)
        except LoomError as error:
            raise project.wrong(("journal", pattern), str(error)) from error
    for part, thing in actions:
        _add(project, part, loom, thing)
    for part in project.of("models"):
        loom.add_model(_called(project, part, find_use(project, part), arenas))
    for part in project.of("agents"):
        _add_agent(project, part, loom)
    for part, source in sources:
        _add(project, part, loom, source, name=part.name)
    return loom


def check(project: Project) -> list[str]:
    """What ``notes`` says of *project*, built beside its store, which is only looked at. Raises ConfigError."""
    data = project.settings.get("data")
    if data is None:
        return notes(project, build(project))
    try:
        look(data, project.settings.get("key"), project.settings.get("backend"))
    except LoomError as error:
        raise project.wrong(("loom", "data"), str(error)) from error
    with TemporaryDirectory() as beside:
        loom = build(replace(project, settings={**project.settings, "data": beside}))
        try:
            return notes(project, loom)
        finally:
            loom.abandon()


def notes(project: Project, loom: Loom) -> list[str]:
    """What is allowed but perhaps not meant: an agent that names an action it is not granted, no agents at all."""
    found = (
        [] if project.of("agents") else [f"{project.file}: there is no [agents.NAME], so nothing will react"]
    )
    for part in project.of("agents"):
        grants = part.values.get("grants", ())
        used = {name for handler in loom.agent(part.name).spec.handlers for name in handler.uses}
        for name in sorted(used):
            if not granted(name, grants):
                where = str(project.wrong(("agents", part.name, "grants"), "")).removesuffix(" ")
                found.append(
                    f"{where} agent {part.name!r} uses {name!r} and is not granted it; add it to grants = [...]"
                )
    return found


def _arenas(sources: list[tuple[Part, Any]]) -> tuple[Any, ...]:
    """The shared memory of all sources, for the models that look at their frames."""
    arenas = (getattr(source, "arena", None) for _, source in sources)
    return tuple(arena for arena in arenas if arena is not None)


def _approvals(actions: list[tuple[Part, Any]]) -> dict[str, Approval]:
    given = [(getattr(thing, ACTION, thing), part.values.get("approval")) for part, thing in actions]
    return {action.name: Approval(word) for action, word in given if word is not None}


def _sorted_out(project: Project, part: Part, thing: Any, wanted: type) -> Any:
    """*thing* itself if it can be added as what its table says."""
    try:
        kind = type(sort_out(thing))
    except LoomError as error:
        raise project.wrong((part.kind, part.name, "use"), str(error)) from error
    if not issubclass(kind, wanted):
        table = next(name for name, each in KINDS if issubclass(kind, each))
        raise project.wrong((part.kind, part.name, "use"), f"{part.use} belongs under [{table}.{part.name}]")
    return thing


def _add(project: Project, part: Part, loom: Loom, thing: Any, **options: Any) -> None:
    try:
        loom.add(thing, **options)
    except MissingExtra:
        raise
    except LoomError as error:
        raise project.wrong((part.kind, part.name), str(error)) from error


def _add_agent(project: Project, part: Part, loom: Loom) -> None:
    """Agents of a project may use no action but those they are granted."""
    thing = _sorted_out(project, part, find_use(project, part), AgentSpec)
    state = part.values.get("state")
    if state is not None:
        if not (isinstance(thing, type) and issubclass(thing, Agent)):
            raise project.wrong(
                (part.kind, part.name, "state"),
                f"{part.use} has no state to begin with; it is no Agent class",
            )
        try:
            thing = thing(**state)
        except LoomError as error:
            raise project.wrong((part.kind, part.name, "state"), str(error)) from error
    _add(project, part, loom, thing, name=part.name, grants=part.values.get("grants", ()))


def _source(project: Project, part: Part) -> Any:
    thing = find_use(project, part)
    try:
        ready = sort_out(thing)
    except LoomError:
        ready = None
    if ready is None:
        thing = _called(project, part, thing)
    elif part.values:
        key = next(iter(part.values))
        raise project.wrong(
            (part.kind, part.name, key),
            f"{part.use} takes no {key!r}: it is a ready source, not a function that makes one",
        )
    return _sorted_out(project, part, thing, Source)


def _called(project: Project, part: Part, factory: Any, arenas: tuple[Any, ...] = ()) -> Any:
    """What *factory* makes of the part's settings; GIVEN are passed if it has parameters called so."""
    where = (part.kind, part.name, "use")
    if not callable(factory):
        raise project.wrong(where, f"{part.use} is {type(factory).__name__}, not something that can be made")
    if ":" in part.use and not defined_in(project, factory):
        raise project.wrong(
            where, f"{part.use} was imported into the project, not defined there; write a function around it"
        )
    arguments = dict(part.values)
    _check_arguments(project, part, factory)
    given = {"name": part.name, "home": project.folder.resolve(), "arenas": arenas}
    arguments |= {key: given[key] for key in GIVEN if key in inspect.signature(factory).parameters}
    try:
        return factory(**arguments)
    except MissingExtra:
        raise
    except ConfigError as error:
        raise project.wrong((part.kind, part.name), str(error)) from error
    except TypeError as error:
        raise project.wrong((part.kind, part.name), f"{part.use}: {error}") from error


def _check_arguments(project: Project, part: Part, factory: Callable[..., Any]) -> None:
    parameters = inspect.signature(factory).parameters
    hints = _hints(factory)
    kinds = inspect.Parameter
    known = {
        name: p
        for name, p in parameters.items()
        if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    }
    open_ended = any(p.kind is kinds.VAR_KEYWORD for p in parameters.values())
    for key, value in part.values.items():
        if key in GIVEN or (key not in known and not open_ended):
            advice = nearest_key(key, {*known, "use"} - {*GIVEN})
            raise project.wrong((part.kind, part.name, key), f"no key {key!r} for {part.use!r}; {advice}")
        for wanted in (str, bool, int, float, list, dict):
            if hints.get(key) in (wanted, wanted | None):
                check_type(
                    project, (part.kind, part.name, key), value, (int, float) if wanted is float else wanted
                )
    missing = [n for n, p in known.items() if p.default is kinds.empty and n not in (*part.values, *GIVEN)]
    if missing:
        raise project.wrong((part.kind, part.name), f"{part.use!r} needs {missing[0]} = ...")


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    target = vars(factory).get("__init__", factory) if isinstance(factory, type) else factory
    try:
        return typing.get_type_hints(target)
    except Exception:  # noqa: BLE001 - hints are a stranger's text; without them the factory checks for itself
        return {}
