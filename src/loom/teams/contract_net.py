"""The manager's side of a contract net: tasks are announced, bid for, and awarded to one bidder at a time."""

from __future__ import annotations

from typing import Any, ClassVar

from loom.agent import Agent, Context
from loom.agent.agent import check_name
from loom.errors import ConfigError
from loom.event import Event
from loom.teams._listening import listening
from loom.teams.award import Award, Bid, Rules, Task, cheapest


class Manager(Agent):
    """Keeps the open tasks of a team, and counts the bids and reports that came ``late``."""

    _rules: ClassVar[Rules]

    tasks: dict[str, Task] = {}
    late: int = 0

    async def announce(self, event: Event, ctx: Context) -> None:
        """Call for bids on a new task."""
        base, _, _, _, limit = self._rules
        if len(self.tasks) >= limit:
            ctx.publish(f"{base}.failed", {"task": event.id, "reason": f"{limit} tasks are open"})
        elif event.id not in self.tasks:
            self.tasks[event.id] = Task(event.payload, event.scope)
            ctx.publish(f"{base}.call", {"task": event.id, "payload": event.payload})
            ctx.after(self._rules.deadline, f"{base}.closed", {"task": event.id})

    async def take_bid(self, event: Event, ctx: Context) -> None:
        """Note a bidder's first bid, while they are taken."""
        task, bidder = self.tasks.get(event.payload["task"]), event.payload["bidder"]
        if task is None or task.turn or any(bid.bidder == bidder for bid in task.bids):
            self.late += 1
        else:
            task.bids.append(Bid(bidder, event.payload["value"]))

    async def close(self, event: Event, ctx: Context) -> None:
        """Take no more bids: order those that came and award the task."""
        task = self.tasks.get(event.payload["task"])
        if task is not None and not task.turn:
            task.ranked = [bid for bid in self._rules.award(tuple(task.bids)) if bid in task.bids]
            self._next(event.payload["task"], task, "nobody bid", ctx)

    async def take_report(self, event: Event, ctx: Context) -> None:
        """End the task when the one who has it says that it is done."""
        name, said = event.payload["task"], event.payload
        task = self.tasks.get(name)
        if task is None or (task.standing, task.turn) != (said["bidder"], said["turn"]):
            self.late += 1
        elif said["ok"]:
            del self.tasks[name]
            done = {"task": name, "bidder": said["bidder"], "result": said["result"]}
            ctx.publish(f"{self._rules.base}.done", done, scope=task.scope)
        else:
            self._next(name, task, f"{said['bidder']}: {said['result']}", ctx)

    async def overdue(self, event: Event, ctx: Context) -> None:
        """Take the task from somebody who has not reported."""
        name = event.payload["task"]
        task = self.tasks.get(name)
        if task is not None and task.turn == event.payload["turn"]:
            ctx.cancel(_scope(self._rules.base, name, task))
            self._next(name, task, f"{task.standing} did not report", ctx)

    def _next(self, name: str, task: Task, why: str, ctx: Context) -> None:
        """Award the task to the best bidder that has not had it, or give it up."""
        base = self._rules.base
        if not task.ranked:
            del self.tasks[name]
            ctx.publish(f"{base}.failed", {"task": name, "reason": why}, scope=task.scope)
            return
        best = task.ranked.pop(0)
        task.standing, task.turn = best.bidder, task.turn + 1
        given = {"task": name, "bidder": best.bidder, "value": best.value, "turn": task.turn}
        scope = _scope(base, name, task)
        ctx.publish(f"{base}.award", {**given, "payload": task.payload}, scope=scope)
        ctx.after(self._rules.report, f"{base}.overdue", {"task": name, "turn": task.turn})


def _scope(base: str, name: str, task: Task) -> str:
    """The scope of one award: inside the task's own, so that cancelling that takes it down too."""
    inner = f"{base}-{name}-{task.turn}"
    return f"{task.scope}/{inner}" if task.scope else inner


def contract_net(
    team: str, *, deadline: float = 1.0, report: float = 60.0, award: Award = cheapest, limit: int = 1000
) -> type[Manager]:
    """The manager of *team*: publish a task on ``team.<team>.task``, its end comes on ``.done`` or ``.failed``.

    Bidders have *deadline* seconds to answer the ``.call``; then *award* orders the bids, a pure rule, and the first
    gets the task. Who fails, or does not report within *report* seconds, loses it to the next; a late winner's step is
    cancelled. At most *limit* tasks are open. After FIPA's contract net, from R. G. Smith, "The Contract Net Protocol"
    (IEEE Transactions on Computers, 1980). Raises ConfigError.
    """
    if not (deadline > 0 and report > 0 and limit > 0):
        raise ConfigError(
            f"contract net {team!r}: deadline={deadline}, report={report}, limit={limit} must be above 0"
        )
    base = f"team.{check_name(team)}"
    heard = {
        "task": Manager.announce,
        "bid": Manager.take_bid,
        "closed": Manager.close,
        "report": Manager.take_report,
        "overdue": Manager.overdue,
    }
    body: dict[str, Any] = {f"{topic}_": listening(f"{base}.{topic}", f) for topic, f in heard.items()}
    rules = Rules(base, deadline, report, award, limit)
    body |= {"__module__": __name__, "__doc__": f"The manager of team {team}.", "_rules": rules}
    return type("ContractNet", (Manager,), body, name=f"{team}-manager")
