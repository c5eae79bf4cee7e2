"""Backends asked one after the other, until one answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from loom.errors import ModelError
from loom.models import ModelReply
from loom.router.attempt import Attempt
from loom.router.backend import Backend
from loom.router.call import Call, named


def attempt(call: Call, backends: Sequence[Backend], place: int) -> Attempt:
    """A try at the backend in *place*, which leaves time for the one after it."""
    following = backends[place + 1].name if place + 1 < len(backends) else None
    return Attempt(call, backends[place], call.share(following))


async def ask(call: Call, backends: Sequence[Backend]) -> ModelReply:
    """The first answer; raises what the last one that was asked raised."""
    for place in range(len(backends)):
        try:
            return await attempt(call, backends, place).infer()
        except Exception as error:  # a model is a stranger's code; goes_on() says who may still help
            if place + 1 == len(backends) or not call.goes_on(error):
                explained(call, error)
                raise
    raise AssertionError("a decision that takes nobody is refused before")


async def stream(call: Call, backends: Sequence[Backend]) -> AsyncGenerator[Any, None]:
    """The items of the first that gives one; raises what it raises after that, else what the last one raised."""
    for place in range(len(backends)):
        begun = False
        try:
            async with aclosing(attempt(call, backends, place).stream()) as items:
                async for item in items:
                    begun = True
                    yield item
            return
        except Exception as error:  # a model is a stranger's code; goes_on() says who may still help
            if begun or place + 1 == len(backends) or not call.goes_on(error):
                explained(call, error)
                raise


def explained(call: Call, error: Exception) -> Exception:
    """*error* with a note of what was tried before it, and the decision that led to it."""
    if isinstance(error, ModelError):
        error.decision = call.decision
    if len(call.tried) > 1:
        error.add_note(
            "tried: " + ", ".join(f"{each.backend} ({each.error or each.outcome})" for each in call.tried)
        )
    return error


__all__ = ["ask", "attempt", "explained", "named", "stream"]
