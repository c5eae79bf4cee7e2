"""The loop of a model that uses tools: it is asked, what it calls is done, and it is told what came of it.

All that the loop does depends on what it was asked and on what the model and the tools answered: where those are
recorded, as in an agent's step, it goes the same way again after a crash and does nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loom.errors import ActionDenied, ActionError, SchemaMismatch, ToolLoop
from loom.router.tools._answers import head, repair
from loom.router.tools._json_schema import placed
from loom.router.tools._outputs import DESCRIPTION, READ, SCHEMA, Outputs
from loom.router.tools._prompting import Prompting
from loom.router.tools._shapes import Unfit, converted
from loom.router.tools._tools import (
    MOST_CALLS,
    Call,
    Tool,
    called,
    calls_of,
    free_name,
    ids_in,
    refused,
    shown,
    told,
    unknown,
)
from loom.router.tools._window import clipped

if TYPE_CHECKING:
    from loom.router.tools._hands import Hands
    from loom.router.tools._wish import Wish

REPEATS = 3
"""The same call with the same arguments ends the loop when it comes for this time; it is not done then."""
MISTAKES = 3
"""Calls that cannot be done (unknown, wrong, denied before) that a model is told of; one more ends the loop."""
LONGEST_WRONG = 2_000
"""Characters of an answer that does not do, as it stands in the conversation when it is to be put right."""
UNKNOWN = "outcome unknown"
"""In the words of a denial: it may have been done before a crash, and nobody said that it may be done again."""


async def run(hands: Hands, wish: Wish, tools: dict[str, Tool]) -> Any:
    """The answer to *wish*: of its shape, or the last reply with ``steps`` and ``context`` beside its ``text``.

    Raises ToolLoop, SchemaMismatch, NoRoom, and what asking a model raises.
    """
    return await _Loop(hands, wish, tools).run()


class _Loop:
    """One wish on its way to an answer."""

    def __init__(self, hands: Hands, wish: Wish, tools: dict[str, Tool]) -> None:
        self._hands = hands
        self._wish = wish
        self._tools = tools
        self._prompting = Prompting(hands, wish)
        self._outputs = Outputs()
        self._steps: list[dict[str, Any]] = []
        self._times: Counter[str] = Counter()
        self._mistakes = 0
        self._closed: set[str] = set()
        self._ids = ids_in(wish.messages)

    async def run(self) -> Any:
        """The answer; an error says what was done on the way."""
        try:
            return await self._run()
        except ToolLoop as error:
            error.done = tuple(self._steps)
            raise

    async def _run(self) -> Any:
        most = self._wish.steps
        for step in range(1, most + 1):
            reply = await self._prompting.ask(self._offer())
            calls = calls_of(reply, self._ids) if self._tools else []
            if not calls:
                return await self._answer(reply)
            if step == most:
                break
            self._prompting.say(_spoken(reply, calls))
            for number, call in enumerate(calls):
                text = await self._do(call) if number < MOST_CALLS else self._too_many(call, len(calls))
                self._prompting.say({"role": "tool", "tool_call_id": call.id, "content": text})
        raise self._stopped(
            "max_steps", f"still calls tools after {most} steps; raise max_steps, or ask for less"
        )

    def _offer(self) -> list[dict[str, Any]]:
        """The tools as a backend takes them; reading large outputs is one once there are any."""
        if len(self._outputs) and all(each.capability for each in self._tools.values()):
            name = free_name(READ, self._tools)
            self._tools[name] = Tool(name, DESCRIPTION, SCHEMA)
        return [each.wire() for each in self._tools.values()]

    # --- calls ----------------------------------------------------------------------------------------------------

    async def _do(self, call: Call) -> str:
        """What the model is told of its *call*, after it was done, or was not."""
        tool = called(self._tools, call.name)
        if tool is None:
            return self._mistake(call, "unknown tool", unknown(call.name, self._tools))
        wrong = refused(tool, call)
        if wrong is not None or call.arguments is None:
            return self._mistake(call, "wrong arguments", wrong or "no arguments")
        if not tool.capability:
            self._count(tool.name, call)
            return self._outputs.read(call.arguments["ref"], int(call.arguments.get("offset", 0)))
        if tool.name in self._closed:
            again = f"{tool.name} was not allowed and is not asked for again; answer without it"
            return self._mistake(call, "denied before", again)
        self._count(tool.capability, call)
        return await self._act(tool, call)

    async def _act(self, tool: Tool, call: Call) -> str:
        name = tool.capability
        try:
            result = await self._hands.do(name, converted(tool.function, call.arguments or {}))
        except Unfit as error:
            return self._mistake(call, "wrong arguments", str(error))
        except ActionError as error:
            return self._failure(tool, call, error)
        self._note(name, call, "done")
        return self._outputs.take(shown(result))

    def _failure(self, tool: Tool, call: Call, error: ActionError) -> str:
        if not isinstance(error, ActionDenied) or UNKNOWN in str(error):  # which is no no to the tool
            self._note(tool.capability, call, f"failed: {error}")
            return told(f"{type(error).__name__}: {error}")
        self._closed.add(tool.name)
        self._note(tool.capability, call, f"denied: {error}")
        return told(f"not allowed, do not try it again: {error}")

    def _count(self, name: str, call: Call) -> None:
        mark = call._replace(name=name).mark
        self._times[mark] += 1
        if self._times[mark] >= REPEATS:
            raise self._stopped("repeated", f"called {name} with the same arguments {REPEATS} times")

    def _mistake(self, call: Call, kind: str, problem: str) -> str:
        self._mistakes += 1
        self._note(call.name, call, f"refused: {problem}")
        self._hands.refused(call.name, kind)
        if self._mistakes > MISTAKES:
            raise self._stopped("mistakes", f"made more than {MISTAKES} calls that cannot be done")
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
        # no arguments here: what is in them is told where it may be, and an error is told everywhere
        outcomes = [f"{each['tool']:.64} {each['outcome'].partition(':')[0]}" for each in self._steps[-8:]]
        return ToolLoop(f"the model {what}; its calls: {', '.join(outcomes) or 'none'}", reason=reason)

    # --- the answer -----------------------------------------------------------------------------------------------

    async def _answer(self, reply: Mapping[str, Any]) -> Any:
        shape = self._wish.shape
        if shape is None:
            return {**reply, "steps": self._steps, "context": self._prompting.windows}
        try:
            return shape.read(reply["text"])
        except Unfit as error:
            wrong = {"role": "assistant", "content": reply["text"] or "(nothing)"}
            self._prompting.say(clipped(wrong, LONGEST_WRONG))
            self._prompting.say(
                {"role": "user", "content": repair(str(error), reply.get("stopped") == "length")}
            )
        # backends want the tools of earlier calls to be told, used or not
        again = await self._prompting.ask(self._offer(), "none")
        try:
            return shape.read(again["text"])
        except Unfit as error:
            raise SchemaMismatch(  # which is told everywhere
                f"the model's answer does not follow the schema, asked for twice: {placed(str(error))}; the error's "
                "`problem` and `head` have what it said",
                problem=str(error),
                head=head(again["text"]),
            ) from None


def _spoken(reply: Mapping[str, Any], calls: list[Call]) -> dict[str, Any]:
    """The reply as a message of the conversation."""
    made = [
        {"id": each.id, "name": free_name(each.name, ()) or "unknown", "arguments": each.arguments or {}}
        for each in calls
    ]
    return {"role": "assistant", "content": reply["text"], "tool_calls": made}
