"""From a checked project to a runtime with everything in it, not yet started."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any

from loom.actions import Action, Approval
from loom.actions.registry import granted
from loom.adapters import Source
from loom.agent import Agent, AgentSpec
from loom.errors import ConfigError, LoomError, MissingExtra
from loom.runtime._assembly import sort_out, spread
from loom.runtime._backends import load
from loom.runtime._config_places import line_of
from loom.runtime._config_uses import defined_in, find_use
from loom.runtime._durability import look
from loom.runtime._switches import SWITCHES
from loom.runtime.config import PARTS, Part, Project, check_type, nearest_key
from loom.runtime.loom import Loom

GIVEN = ("arenas", "home", "name")  # what the runtime knows and a project file cannot say
OWN = ("approval", "consent", "topics")  # what the runtime sees to itself, whatever is used


def build(project: Project) -> Loom:
    """The runtime that *project* describes; imports the project's code, starts nothing. Raises ConfigError."""
    actions = [(part, _ready(project, part)) for part in project.of("actions")]
    sources = [(part, _ready(project, part)) for part in project.of("sources")]
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
    if project.router is not None:
        loom.models.settings = project.router.beside(project.folder, "data" in project.settings)
    for part in project.of("models"):
        loom.add_model(_model(project, part, arenas))
    for part in project.of("agents"):
        _add_agent(project, part, loom)
    for part, source in sources:
        values = part.values
        granted = {
            "grants": values.get("topics"),
            "consent": values.get("consent", getattr(source, "consent", "given")),
        }
        _add(project, part, loom, source, name=part.name, **granted)
    if project.gateway is not None:
        _add_gateway(project, loom)
    if "data" not in project.settings and sources:
        loom.remember_switches(project.folder / SWITCHES)
    return loom


def _model(project: Project, part: Part, arenas: tuple[Any, ...]) -> Any:
    """The model of *part*, which says of itself what its table says of it."""
    from loom.router.model_facts import contradiction, split, state

    def at(key: str) -> str:
        return f"{project.file}:{line_of(dict(project.lines), (part.kind, part.name, key))}"

    made = find_use(project, part)
    if wrong := contradiction(part.values, at):
        raise ConfigError(wrong)
    known = inspect.signature(made).parameters if callable(made) else ()
    values, facts = split(
        part.values, known, lambda key, what: project.wrong((part.kind, part.name, key), what)
    )
    model = _called(project, replace(part, values=values), made, arenas)
    try:
        state(model, facts)
    except ConfigError as error:
        raise project.wrong((part.kind, part.name), str(error)) from error
    return model


def _add_gateway(project: Project, loom: Loom) -> None:
    """The gateway starts and ends with the runtime, as a host does."""
    try:
        loom.add(load("gateway")(loom, project.folder, project.gateway))
    except MissingExtra:
        raise
    except LoomError as error:
        raise project.wrong(("gateway",), str(error)) from error


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
    idle = not project.of("agents") and project.gateway is None
    found = [f"{project.file}: there is no [agents.NAME], so nothing will react"] if idle else []
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
    given = [(thing, part.values.get("approval")) for part, thing in actions]
    return {name: Approval(word) for thing, word in given if word is not None for name in _names(thing)}


def _names(thing: Any) -> list[str]:
    """The capabilities that an action or a sink brings."""
    return [part.name for _, part in spread([thing]) if isinstance(part, Action)]


def _table_of(thing: Any) -> str:
    """The table where *thing* belongs; raises SignatureError for what belongs in none."""
    part = sort_out(thing)
    if isinstance(part, AgentSpec):
        return "agents"
    return "sources" if isinstance(part, Source) else "actions"


def _sorted_out(project: Project, part: Part, thing: Any) -> Any:
    """*thing* itself if it can be added as what its table says."""
    try:
        table = _table_of(thing)
    except LoomError as error:
        raise project.wrong((part.kind, part.name, "use"), str(error)) from error
    if table != part.kind:
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
    thing = _sorted_out(project, part, find_use(project, part))
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


def _ready(project: Project, part: Part) -> Any:
    """The source, action or sink that *part* uses: itself, or what its settings make."""
    thing = find_use(project, part)
    try:
        is_ready = _table_of(thing) is not None
    except LoomError:
        is_ready = False
    if not is_ready:
        thing = _called(project, part, thing)
    else:
        _check_bare(project, part)
    return _sorted_out(project, part, thing)


def _check_bare(project: Project, part: Part) -> None:
    """Raise ConfigError for the first setting, as there is nothing that would take it."""
    for key in _settings(part):
        known = PARTS[part.kind]
        near = nearest_key(key, {*known, "use"} - {"topic"})
        raise project.wrong(
            (part.kind, part.name, key),
            f"{part.use} takes no {key!r}: it is a ready {part.kind.removesuffix('s')}, not a function that makes "
            f"one; {near}",
        )


def _settings(part: Part) -> dict[str, Any]:
    """What of a table is meant for what it uses."""
    return {key: value for key, value in part.values.items() if key not in OWN or key not in PARTS[part.kind]}


def _called(project: Project, part: Part, factory: Any, arenas: tuple[Any, ...] = ()) -> Any:
    """What *factory* makes of the part's settings; GIVEN are passed if it has parameters called so."""
    where = (part.kind, part.name, "use")
    if not callable(factory):
        raise project.wrong(where, f"{part.use} is {type(factory).__name__}, not something that can be made")
    if ":" in part.use and not defined_in(project, factory):
        raise project.wrong(
            where, f"{part.use} was imported into the project, not defined there; write a function around it"
        )
    arguments = _settings(part)
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
    for key, value in _settings(part).items():
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
