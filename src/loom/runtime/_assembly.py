"""What may be added to a runtime, told apart."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from loom.actions import Action
from loom.actions.action import ACTION
from loom.adapters import ActionSink, EventSource, HostAdapter, Source
from loom.adapters.source import SOURCE, as_source
from loom.agent import Agent, AgentSpec, Cell, Services, function_spec, spec_of
from loom.errors import SignatureError, UnknownAction

COMPANIONS = "__loom_companions__"
"""Where a handler's function keeps, by the pattern that stands for it, who makes the agent that it needs beside it."""


Part = Action | Source | AgentSpec | ActionSink | HostAdapter


class Member(NamedTuple):
    """An agent on its way into a runtime: its spec, its class or instance, what it is called and what it may do."""

    spec: AgentSpec
    thing: Any
    name: str
    grants: Iterable[str] | None


def sort_out(thing: Any) -> Part:
    """The action, source, agent, sink or host that *thing* is; raises SignatureError for anything else."""
    made = getattr(thing, ACTION, None) or getattr(thing, SOURCE, None)
    if isinstance(made, Action | Source):
        return made
    if isinstance(thing, Action | Source):
        return thing
    if isinstance(thing, type) and issubclass(thing, Agent):
        return spec_of(thing)
    if isinstance(thing, Agent):
        return spec_of(type(thing))
    if not isinstance(thing, type) and isinstance(thing, EventSource | ActionSink | HostAdapter):
        return as_source(thing) if isinstance(thing, EventSource) else thing
    if callable(thing) and not isinstance(thing, type):
        return function_spec(thing)
    raise SignatureError(
        f"{thing!r} cannot be added; add an Agent class or instance, or a function marked @on, @action or @source"
    )


def spread(things: Iterable[Any]) -> Iterator[tuple[Any, Part]]:
    """Each thing and what it is; a host is followed by its sources and sinks, a sink by its actions."""
    for thing in things:
        part = sort_out(thing)
        yield thing, part
        if isinstance(part, HostAdapter):
            yield from spread((*part.sources(), *part.sinks()))
        elif isinstance(part, ActionSink):
            yield from ((action, action) for action in part.actions())


def make_cell(
    spec: AgentSpec, instance: Agent, services: Services, name: str, grants: Iterable[str] | None
) -> Cell:
    """What runs an agent: a cell, or a herd of them for a keyed one; raises ConfigError."""
    if spec.key is None:
        return Cell(spec, instance, services, name, grants)
    from loom.agent._herd import Herd

    return Herd(spec, instance, services, name, grants)


def check_uses(spec: AgentSpec, known: Any) -> None:
    """Raise UnknownAction if a handler names, by a literal, an action that nobody provides."""
    for handler in spec.handlers:
        for capability in handler.uses:
            try:
                known.find(capability)
            except UnknownAction as error:
                raise UnknownAction(f"{handler.name} uses {error}") from None


def with_companions(
    spec: AgentSpec, thing: Any, name: str | None, grants: Iterable[str] | None
) -> Iterator[Member]:
    """The agent itself, then the agents that its handlers need beside it: one for each standing query.

    Only here is it known what the agent is called, and so on which topics its companions speak to it.
    """
    name = name or spec.name
    handlers, beside = [], []
    for handler in spec.handlers:
        make = getattr(handler.function, COMPANIONS, {}).get(handler.trigger.pattern)
        if make is not None:
            companion, topic = make(name, handler.name.rpartition(".")[2])
            handler = handler._replace(trigger=handler.trigger._replace(pattern=topic))
            beside.append(companion)
        handlers.append(handler)
    if beside:
        spec = copy.copy(spec)
        spec.handlers = tuple(handlers)
    yield Member(spec, thing, name, grants)
    for companion in beside:
        yield Member(spec_of(companion), companion, spec_of(companion).name, ())
