"""One call of an action that a model asked for: its arguments as the function takes them, its approval, its label."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loom.actions import Approval
from loom.agent._answer_shapes import form_of
from loom.errors import ConfigError
from loom.event import Event

if TYPE_CHECKING:
    from loom.actions import Action
    from loom.agent.context import Context


async def carry_out(ctx: Context, action: Action, arguments: Mapping[str, Any]) -> Any:
    """The result of *action*; events in it bring their labels into the step.

    In a step whose label is untrusted, what the model wants may be what a stranger has written: it is asked for
    approval then, unless the runtime's own policy says of this action that it may run. Raises Unfit for arguments
    that do not become the function's, and like ``ctx.call``.
    """
    built = converted(action.function, arguments)
    asks = ctx.label.untrusted and action.approval is Approval.ALLOW
    result = await ctx._call(action.name, built, Approval.ASK if asks else None)
    events = [result] if isinstance(result, Event) else result if isinstance(result, list | tuple) else ()
    ctx._take_in([each for each in events if isinstance(each, Event)])
    return result


def converted(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """*arguments*, which are JSON, as the annotations of *function* say: dataclasses, enums, dates, bytes, sets."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        return dict(arguments)
    return {name: _made(hints.get(name, Any), value, name) for name, value in arguments.items()}


def _made(annotation: Any, value: Any, name: str) -> Any:
    try:
        form = form_of(annotation, name)
    except ConfigError:  # of a class that has no JSON form: as it is
        return value
    return form.build(value, f"arguments.{name}")
