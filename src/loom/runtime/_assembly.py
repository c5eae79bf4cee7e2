"""What may be added to a runtime, told apart."""

from __future__ import annotations

from typing import Any

from loom.actions import Action
from loom.actions.action import ACTION
from loom.adapters import Source
from loom.adapters.source import SOURCE
from loom.agent import Agent, AgentSpec, function_spec, spec_of
from loom.errors import SignatureError, UnknownAction


def sort_out(thing: Any) -> Action | Source | AgentSpec:
    """The action, source or agent that *thing* is; raises SignatureError for anything else."""
    made = getattr(thing, ACTION, None) or getattr(thing, SOURCE, None)
    if isinstance(made, Action | Source):
        return made
    if isinstance(thing, Action | Source):
        return thing
    if isinstance(thing, type) and issubclass(thing, Agent):
        return spec_of(thing)
    if isinstance(thing, Agent):
        return spec_of(type(thing))
    if callable(thing) and not isinstance(thing, type):
        return function_spec(thing)
    raise SignatureError(
        f"{thing!r} cannot be added; add an Agent class or instance, or a function marked @on, @action or @source"
    )


def check_uses(spec: AgentSpec, known: Any) -> None:
    """Raise UnknownAction if a handler names, by a literal, an action that nobody provides."""
    for handler in spec.handlers:
        for capability in handler.uses:
            try:
                known.find(capability)
            except UnknownAction as error:
                raise UnknownAction(f"{handler.name} uses {error}") from None
