"""A step that lets a model use tools: each request and each call is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loom.actions import Approval
from loom.actions.registry import granted
from loom.errors import ActionDenied, ActionError
from loom.event import HOP_LIMIT, Event
from loom.router.tools import offered, plain, run, wish_of

if TYPE_CHECKING:
    from loom.agent.context import Context


async def ask(ctx: Context, task: Any, input: Any, timeout: float | None, options: Mapping[str, Any]) -> Any:
    """The answer to the wish in these arguments of ``ctx.ask``; raises like ``loom.router.tools.run``.

    ActionDenied when none of its actions is granted, UnknownAction when none is there.
    """
    wish = wish_of(task, input, timeout, options)
    tools = {}
    if wish.actions is not None:
        grants = ctx._cell.grants
        tools = offered(ctx._cell.services.executor.registry, wish.actions, partial(granted, grants=grants))
        if not tools:
            mine = ", ".join(grants or ()) or "none"
            raise ActionDenied(
                f"{ctx.agent!r} is granted none of the actions {list(wish.actions)!r}; its grants are {mine}"
            )
    return await run(StepHands(ctx), wish, tools)


class StepHands:
    """The hands of a step: what it asks for is recorded, granted, labelled and in the ledger like its own."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def ask(
        self, messages: Sequence[Mapping[str, Any]], timeout: float | None, options: Mapping[str, Any]
    ) -> Any:
        """A model's output; the request has the label that the step has by now."""
        return await self._ctx._ask("chat", list(messages), timeout, dict(options))

    async def do(self, capability: str, arguments: Mapping[str, Any]) -> Any:
        """The result of an action; events in it bring their labels into the step.

        In an untrusted step the wish may be a stranger's: somebody is asked, unless the runtime's policy allows it.
        """
        ctx = self._ctx
        try:
            approval = Approval.ASK if ctx.label.untrusted else None
            result = await ctx._call(capability, dict(arguments), approval, plain(arguments))
        except ActionError:
            await self._written()
            raise
        events = result if isinstance(result, list | tuple) else [result]
        ctx._take_in([each for each in events if isinstance(each, Event)])
        await self._written()
        return result

    async def _written(self) -> None:
        """A model takes long: what became of the call is on disk first, and a crash leaves no doubt."""
        durable = self._ctx._cell.durable
        if durable is not None and self._ctx.door.lane.rank:
            await durable.ledger.written()

    def refused(self, tool: str, why: str) -> None:
        """Counted where denials are."""
        self._ctx._cell.services.observers.tell("denied", self._ctx.agent, tool, why)

    def asking(self, window: Mapping[str, Any]) -> None:
        """Announced on ``loom.agent.NAME.context``: figures."""
        ctx = self._ctx
        if ctx._event.hop < HOP_LIMIT:  # who hears it may ask a model again
            ctx._cell.services.announce(ctx.agent, "context", dict(window), ctx._event)

    def seconds(self) -> float:
        """The runtime's steady clock."""
        return self._ctx._cell.services.clock.monotonic()
