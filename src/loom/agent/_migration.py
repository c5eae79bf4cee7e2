"""From what a store kept of an agent's state to the state of the class as it is now."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from loom.agent._state_codec import read_part
from loom.agent._state_form import shown
from loom.agent.agent import Agent
from loom.errors import StateError

if TYPE_CHECKING:
    from loom.agent._state_classes import Part
    from loom.agent.agent import AgentSpec


class Problem(NamedTuple):
    """Why a field cannot be read: in words, and the line of a ``migrate`` that would mend it."""

    what: str
    remedy: str


def read_state(spec: AgentSpec, kept: Mapping[str, Any], version: int) -> tuple[Any, ...]:
    """The state of the class for what was *kept* by *version* of it; *kept* is not touched.

    A field of which nothing is kept begins with its default. ``migrate`` is called when the versions differ and the
    class has one. Raises StateError when the state does not fit then: what changed, and a ``migrate`` for it.
    """
    if version != spec.version and _migrates(spec.cls):
        kept = _migrated(spec, kept, version)
        origin = f"what {spec.cls.__name__}.migrate made of the state of version {version}"
    elif version > spec.version:
        raise StateError(
            f"{spec.name}: its state was kept by version {version} of {spec.cls.__name__}, this is version "
            f"{spec.version}; run the newer code, or write a migrate that accepts version {version}"
        )
    else:
        origin = f"the state kept by version {version}"
    values, problems = _read(spec, kept)
    if problems:
        raise StateError(_report(spec, problems, version, origin))
    return values


def _read(spec: AgentSpec, kept: Mapping[str, Any]) -> tuple[tuple[Any, ...], list[Problem]]:
    values, problems = [], []
    parts = spec.codec.parts
    for part in parts:
        try:
            values.append(read_part(part, kept))
        except StateError as misfit:
            problems.append(_misfit(part, misfit, kept[part.name]))
    names = {part.name for part in parts}
    problems += [_gone(name, value) for name, value in kept.items() if name not in names]
    return tuple(values), problems


def _misfit(part: Part, misfit: StateError, kept: Any) -> Problem:
    """What is wrong with a field, and its default in kept form as the remedy."""
    try:
        default = repr(part.form.encode(part.begin()))
    except StateError:
        default = "..."
    line = f"state[{part.name!r}] = {default if len(default) < 60 else '...'}  # its default; kept is {shown(kept)}"
    return Problem(str(misfit), line)


def _gone(name: str, kept: Any) -> Problem:
    return Problem(
        f"{name}: the class has no such field any more, but kept is {shown(kept)}",
        f"state.pop({name!r}, None)  # or give it to another field; kept is {shown(kept)}",
    )


def _report(spec: AgentSpec, problems: list[Problem], version: int, origin: str) -> str:
    """The message: what changed, and a ``migrate`` to paste."""
    name = spec.cls.__name__
    target = spec.version + (version == spec.version)
    lines = [
        f"{spec.name}: {origin} does not fit version {spec.version} of {name}:",
        *(f"  - {problem.what}" for problem in problems),
        "Nothing was lost. Say what becomes of it, and start again:",
        "",
        f"class {name}({spec.cls.__mro__[1].__name__}, version={target}):",
        "    @classmethod",
        "    def migrate(cls, state: dict, version: int) -> dict:",
        f"        if version {'<' if version < target else '>'} {target}:",
        *(f"            {problem.remedy}" for problem in problems),
        "        return state",
    ]
    return "\n".join(lines)


def _migrates(cls: type[Agent]) -> bool:
    found = inspect.getattr_static(cls, "migrate", None)
    return found is not inspect.getattr_static(Agent, "migrate") and callable(getattr(cls, "migrate", None))


def _migrated(spec: AgentSpec, kept: Mapping[str, Any], version: int) -> dict[str, Any]:
    """What ``migrate`` makes of a copy of *kept*, as JSON would bring it back; raises StateError for anything else."""
    call = f"{spec.cls.__name__}.migrate(state, {version})"
    before = json.dumps(dict(kept))
    try:
        result: object = spec.cls.migrate(json.loads(before), version)
    except Exception as error:  # a stranger's migrate: typed, told with what was called
        raise StateError(
            f"{spec.name}: {call} raised {type(error).__name__}: {error}; it is called with the kept state and takes "
            "(cls, state, version) as a classmethod"
        ) from error
    after = _checked(result, f"{spec.name}: {call}")
    if version > spec.version and json.dumps(after) == before:
        raise StateError(
            f"{spec.name}: its state was kept by version {version} of {spec.cls.__name__}, this is version "
            f"{spec.version}, and migrate returned it as it was; run the newer code, or have migrate lead back"
        )
    return after


def _checked(result: object, call: str) -> dict[str, Any]:
    if inspect.iscoroutine(result):
        result.close()
        raise StateError(f"{call} is a coroutine; write it without async")
    if not isinstance(result, dict) or not all(isinstance(name, str) for name in result):
        raise StateError(
            f"{call} returned {result!r:.80}; return the state, a dict with the names of fields as keys"
        )
    try:
        copied: dict[str, Any] = json.loads(json.dumps(result, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise StateError(
            f"{call} returned a state that is no JSON ({error}); return values in kept form, "
            'as in {"$set": [1, 2]} for a set'
        ) from None
    return copied
