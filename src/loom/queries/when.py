"""``@when``: a handler that is called with what a standing query has found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from loom.agent import Agent, on
from loom.errors import ConfigError
from loom.event import QoS
from loom.queries.agent import query_agent
from loom.queries.query import Query

F = TypeVar("F", bound=Callable[..., Any])
COMPANIONS = "__loom_companions__"  # the runtime looks for this name


def when(
    query: Query[Any], *, qos: QoS = QoS.BATCHED, timeout: float | None = None, durable: bool = True
) -> Callable[[F], F]:
    """Call the decorated method (or function: then it is an agent by itself) with each match of *query*.

    The event has the type ``match`` and comes on ``loom.query.<agent>.<handler>``; ``query_agent`` says what is in it.
    The query is run by an agent of its own, ``<agent>-<handler>``, that joins the runtime with this one. *qos* and
    *durable* (see ``@on``) are those of both, *timeout* in seconds ends a call that takes longer, as a failure. Raises
    ConfigError.
    """
    if not isinstance(query, Query):
        raise ConfigError(f"@when needs a query such as sequence('a', 'b', within=10), not {query!r:.80}")

    def companion(agent: str, handler: str) -> tuple[type[Agent], str]:
        topic = f"loom.query.{agent}.{handler.replace('#', '-')}"
        name = f"{agent}-{handler.replace('#', '-')}"
        return query_agent(query, name=name, topic=topic, qos=qos, durable=durable), topic

    def mark(function: F) -> F:
        waiting = dict(getattr(function, COMPANIONS, {}))
        stand_in = f"loom.query.?.{len(waiting)}"
        setattr(function, COMPANIONS, {**waiting, stand_in: companion})
        return on(stand_in, qos=qos, timeout=timeout, durable=durable)(function)

    return mark
