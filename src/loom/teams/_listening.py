"""Handlers for topics that are known only when a team is named."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from loom.agent import Context, on
from loom.event import Event


def listening(topic: str, method: Callable[[Any, Event, Context], Awaitable[None]]) -> Any:
    """A handler that calls *method* for events on *topic*; a function of its own, for each carries its own marks."""

    @on(topic)
    async def handle(self: Any, event: Event, ctx: Context) -> None:
        await method(self, event, ctx)

    return handle
