"""A barrier: nobody goes on before all have arrived."""

from __future__ import annotations

from typing import Any

from loom.agent import Agent, Context, on
from loom.agent.agent import check_name
from loom.errors import ConfigError
from loom.event import Event


class Barrier(Agent):
    """Keeps the number of its round and who has arrived in it, and counts the arrivals that it ``ignored``."""

    round: int = 1
    arrived: list[str] = []
    ignored: int = 0
    timer: str = ""


def barrier(name: str, *, parties: int, timeout: float | None = None) -> type[Barrier]:
    """A barrier for *parties*: each publishes on ``team.<name>.arrive``; ``team.<name>.open`` comes once all have.

    A party is the ``party`` of the payload or, without one, the agent that published; who arrives twice in a round
    counts once. A ``round`` in the payload that is not the present one is ignored. *timeout* seconds after the first
    arrival a round that is not complete ends with ``team.<name>.broken``; the next one begins either way. Both tell
    ``round`` and ``parties``. Raises ConfigError.
    """
    if parties < 1 or (timeout is not None and not timeout > 0):
        raise ConfigError(
            f"barrier {name!r}: parties={parties}, timeout={timeout}; it needs 1 party and a time above 0"
        )
    base = f"team.{check_name(name)}"

    class NamedBarrier(Barrier, name=f"{name}-barrier"):
        @on(f"{base}.arrive")
        async def arrive(self, event: Event, ctx: Context) -> None:
            said: dict[str, Any] = event.payload if isinstance(event.payload, dict) else {}
            party = str(said.get("party") or event.source)
            if party in self.arrived or said.get("round", self.round) != self.round:
                self.ignored += 1
                return
            self.arrived.append(party)
            if len(self.arrived) == parties:
                self._end("open", ctx)
            elif timeout is not None and not self.timer:
                self.timer = ctx.after(timeout, f"{base}.overdue", {"round": self.round})

        @on(f"{base}.overdue")
        async def overdue(self, event: Event, ctx: Context) -> None:
            if event.payload["round"] == self.round:
                self._end("broken", ctx)

        def _end(self, how: str, ctx: Context) -> None:
            """Tell everybody and begin the next round."""
            ctx.publish(f"{base}.{how}", {"round": self.round, "parties": list(self.arrived)}, scope=None)
            if self.timer:
                ctx.cancel_timer(self.timer)
            self.round, self.arrived, self.timer = self.round + 1, [], ""

    return NamedBarrier
