"""The loop of a model that uses tools: it is asked, what it calls is done, and it is told what came of it.

Each request of the model and each call of an action is one of the step's recorded operations, so that a step that
runs again, after a crash too, goes through the same loop and does nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loom.agent._answer_shapes import Unfit
from loom.agent._answers import head, repair
from loom.agent._outputs import DESCRIPTION, READ, SCHEMA, Outputs
from loom.agent._prompting import Prompting
from loom.agent._tool_call import carry_out
from loom.agent._tools import (
    MOST_CALLS,
    Call,
    Tool,
    called,
    calls_of,
    free_name,
    offered,
    refused,
    shown,
    told,
    unknown,
)
from loom.errors import ActionDenied, ActionError, SchemaMismatch, ToolLoop

if TYPE_CHECKING:
    from loom.agent._wish import Wish
    from loom.agent.context import Context

REPEATS = 3
"""The same call with the same arguments ends the loop when it comes for this time; it is not done then."""
MISTAKES = 3
"""Calls that cannot be done (unknown, wrong, denied before) that a model is told of; one more ends the loop."""


async def run(ctx: Context, wish: Wish) -> Any:
    """The answer to *wish*: of its shape, or the last reply with ``steps`` and ``context`` beside its ``text``.

    Raises ToolLoop, SchemaMismatch, NoRoom, UnknownAction, ActionDenied when nothing is granted, and what asking
    a model raises.
    """
    tools = {}
    if wish.actions is not None:
        tools = offered(ctx._cell.services.executor.registry, wish.actions, ctx._cell.grants)
        if not tools:
            granted = ", ".join(ctx._cell.grants or ()) or "none"
            raise ActionDenied(
                f"{ctx.agent!r} is granted none of the actions {list(wish.actions)!r}; its grants are {granted}"
            )
    return await _Loop(ctx, wish, tools).run()


class _Loop:
    """One wish on its way to an answer."""

    def __init__(self, ctx: Context, wish: Wish, tools: dict[str, Tool]) -> None:
        self._ctx = ctx
        self._wish = wish
        self._tools = tools
        self._prompting = Prompting(ctx, wish)
        self._outputs = Outputs()
        self._steps: list[dict[str, Any]] = []
        self._times: Counter[str] = Counter()
        self._mistakes = 0
        self._closed: set[str] = set()

    async def run(self) -> Any:
        """The answer."""
        most = self._wish.steps
        for step in range(1, most + 1):
            reply = await self._prompting.ask(self._offer())
            calls = calls_of(reply, step) if self._tools else []
            if not calls:
                return await self._answer(reply)
            if step == most:
                break
            self._prompting.say(_spoken(reply, calls))
            for number, call in enumerate(calls):
                text = await self._do(call) if number < MOST_CALLS else self._too_many(call, len(calls))
                self._prompting.say(
                    {"role": "tool", "tool_call_id": call.id, "content": self._outputs.take(text)}
                )
        raise self._stopped(
            "max_steps", f"still calls tools after {most} steps; raise max_steps, or ask for less"
        )

    def _offer(self) -> list[dict[str, Any]]:
        """The tools as a backend takes them; reading large outputs is one once there are any."""
        if len(self._outputs) and not any(each.action is None for each in self._tools.values()):
            name = free_name(READ, self._tools)
            self._tools[name] = Tool(name, DESCRIPTION, SCHEMA)
        return [each.wire() for each in self._tools.values()]

    # --- calls ----------------------------------------------------------------------------------------------------

    async def _do(self, call: Call) -> str:
        """What the model is told of its *call*, after it was done, or was not."""
        tool = called(self._tools, call.name)
        if tool is None:
            return self._mistake(call, unknown(call.name, self._tools))
        wrong = refused(tool, call)
        if wrong is not None or call.arguments is None:
            return self._mistake(call, wrong or "no arguments")
        if tool.action is None:
            self._count(tool.name, call)
            return self._outputs.read(call.arguments["ref"], int(call.arguments.get("offset", 0)))
        if tool.name in self._closed:
            return self._mistake(
                call, f"{tool.name} was not allowed and is not asked for again; answer without it"
            )
        self._count(tool.action.name, call)
        return await self._act(tool, call)

    async def _act(self, tool: Tool, call: Call) -> str:
        assert tool.action is not None
        assert call.arguments is not None
        name = tool.action.name
        try:
            result = await carry_out(self._ctx, tool.action, call.arguments)
        except Unfit as error:
            return self._mistake(call, str(error))
        except ActionDenied as error:
            self._closed.add(tool.name)
            self._note(name, call, f"denied: {error}")
            return told(f"not allowed, do not try it again: {error}")
        except ActionError as error:
            self._note(name, call, f"failed: {error}")
            return told(f"{type(error).__name__}: {error}")
        self._note(name, call, "done")
        return shown(result)

    def _count(self, name: str, call: Call) -> None:
        mark = call._replace(name=name).mark
        self._times[mark] += 1
        if self._times[mark] >= REPEATS:
            raise self._stopped("repeated", f"called {mark:.200} {REPEATS} times")

    def _mistake(self, call: Call, problem: str) -> str:
        self._mistakes += 1
        self._note(call.name, call, f"refused: {problem}")
        self._ctx._cell.services.observers.tell("denied", self._ctx.agent, call.name, problem)
        if self._mistakes > MISTAKES:
            raise self._stopped(
                "mistakes", f"made more than {MISTAKES} calls that cannot be done, at last: {problem}"
            )
        return told(problem)

    def _too_many(self, call: Call, asked: int) -> str:
        problem = (
            f"not done: {asked} calls in one reply, the first {MOST_CALLS} are done; call it again if need be"
        )
        self._note(call.name, call, f"refused: {problem}")
        return told(problem)

    def _note(self, name: str, call: Call, outcome: str) -> None:
        self._steps.append({"tool": name, "arguments": call.arguments, "outcome": outcome[:500]})

    def _stopped(self, reason: str, what: str) -> ToolLoop:
        done = ", ".join(f"{each['tool']} {each['outcome']:.40}" for each in self._steps[-8:]) or "nothing"
        return ToolLoop(f"the model {what}; it did: {done}", reason=reason, done=tuple(self._steps))

    # --- the answer -----------------------------------------------------------------------------------------------

    async def _answer(self, reply: Mapping[str, Any]) -> Any:
        shape = self._wish.shape
        if shape is None:
            return {**reply, "steps": self._steps, "context": self._prompting.windows}
        try:
            return shape.read(reply["text"])
        except Unfit as error:
            self._prompting.say({"role": "assistant", "content": reply["text"]})
            self._prompting.say(
                {"role": "user", "content": repair(str(error), reply.get("stopped") == "length")}
            )
        again = await self._prompting.ask([])
        try:
            return shape.read(again["text"])
        except Unfit as error:
            start = head(again["text"])
            raise SchemaMismatch(
                f"the model's answer does not follow the schema, asked for twice: {error}; it begins {start!r}",
                problem=str(error),
                head=start,
            ) from None


def _spoken(reply: Mapping[str, Any], calls: list[Call]) -> dict[str, Any]:
    """The reply as a message of the conversation."""
    made = [
        {"id": each.id, "name": free_name(each.name, ()) or "unknown", "arguments": each.arguments or {}}
        for each in calls
    ]
    return {"role": "assistant", "content": reply["text"], "tool_calls": made}
