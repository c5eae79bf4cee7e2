"""The bidder's side of a contract net."""

from __future__ import annotations

from typing import Any, ClassVar

from loom.agent import Agent, Context
from loom.agent.agent import check_name
from loom.event import Event
from loom.teams._listening import listening


class Contractor(Agent):
    """Subclass it with ``team=`` and say what a task is worth to you (``offer``) and how it is done (``work``).

    ``class Robot(Contractor, team="cleaning")`` bids under the name it has in the runtime. A ``work`` that fails is
    tried again by the agent's ``retry``, and then reported as failed: the next best bidder gets the task. Who works on
    something hears the next call when that is done, and then perhaps bids too late.
    """

    _team: ClassVar[str] = ""

    def __init_subclass__(cls, team: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if team is not None:
            base = cls._team = f"team.{check_name(team)}"
            cls.call_ = listening(f"{base}.call", _answer)  # type: ignore[attr-defined]
            cls.award_ = listening(f"{base}.award", _execute)  # type: ignore[attr-defined]

    async def offer(self, task: Any, ctx: Context) -> float | None:
        """What doing *task* would cost, the lower the better; None not to bid."""
        raise NotImplementedError

    async def work(self, task: Any, ctx: Context) -> Any:
        """Do *task* and return what is to be reported."""
        raise NotImplementedError

    async def on_error(self, event: Event, error: Exception, ctx: Context) -> None:
        """Report an award that was given up; a subclass with an ``on_error`` of its own calls this one too."""
        if event.topic == f"{self._team}.award" and event.payload["bidder"] == ctx.agent:
            _report(self, event, False, f"{type(error).__name__}: {error}", ctx)


async def _answer(self: Contractor, event: Event, ctx: Context) -> None:
    value = await self.offer(event.payload["payload"], ctx)
    if value is not None:
        bid = {"task": event.payload["task"], "bidder": ctx.agent, "value": float(value)}
        ctx.publish(f"{self._team}.bid", bid)


async def _execute(self: Contractor, event: Event, ctx: Context) -> None:
    if event.payload["bidder"] == ctx.agent:
        _report(self, event, True, await self.work(event.payload["payload"], ctx), ctx)


def _report(self: Contractor, award: Event, ok: bool, result: Any, ctx: Context) -> None:
    given = {name: award.payload[name] for name in ("task", "bidder", "turn")}
    ctx.publish(f"{self._team}.report", {**given, "ok": ok, "result": result})
