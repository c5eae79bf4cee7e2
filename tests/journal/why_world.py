"""A small world in which everything happens that has a cause, and an oracle that saw it."""

import asyncio
from typing import Any

from loom import Agent, Loom, Observer, QoS, Retry, action, on
from loom.event import Event
from loom.testing import run_until_idle


@action("tts.speak", idempotent=True)
async def speak(n: int) -> None:
    """Takes a while."""
    await asyncio.sleep(0.01)


@action("door.open", approval="deny")
async def door(n: int) -> None:
    """Nobody may."""


class Front(Agent, retry=Retry(attempts=2, base=0.05, jitter=0.0)):
    """Does what an event says: fail for good, fail once, act, set a timer, ask, cancel, or make more events."""

    count: int = 0
    names: list[str] = []

    @on("do.>")
    async def do(self, event, ctx):
        what = event.payload
        self.count += 1
        if what == "fail" or (what == "once" and ctx.attempt == 1):
            raise ValueError(f"{what} at attempt {ctx.attempt}")
        if what == "act":
            ctx.act("tts.speak", n=self.count)
            ctx.act("door.open", n=self.count)
        elif what == "timer":
            ctx.after(1.0, "do.rung", "more")
            ctx.after(10_000.0, "do.never", "more")
        elif what == "ask":
            await ctx.request("question", self.count)
        elif what == "more":
            for n in range(3):
                ctx.publish("made", n)
            ctx.publish("fast", 1)
        elif what == "scoped":
            ctx.publish("slow", 1, scope="turn")
        self.names.append(what)


class Back(Agent, retry=Retry(attempts=2, base=0.05, jitter=0.0)):
    """Comes after Front."""

    seen: int = 0
    answered: int = 0

    @on("made")
    async def made(self, event, ctx):
        self.seen += 1
        if event.payload == 2:
            ctx.publish("end", self.seen)

    @on("question")
    async def answer(self, event, ctx):
        self.answered += 1
        return event.payload

    @on("slow", qos=QoS.BACKGROUND)
    async def slow(self, event, ctx):
        await asyncio.sleep(5.0)
        ctx.publish("end", "slow")

    @on("fast", qos=QoS.REALTIME, capacity=1)
    async def fast(self, event, ctx):
        self.seen += 10
        ctx.publish("end", "fast")


class Room(Agent, key="payload.room"):
    """One for each room."""

    visits: int = 0

    @on("visit")
    async def visit(self, event, ctx):
        self.visits += 1
        ctx.publish("end", event.payload)


class End(Agent):
    """The last one."""

    total: int = 0

    @on("end")
    async def end(self, event, ctx):
        self.total += 1


THINGS = (speak, door, Front, Back, Room, End)
DOES = ("fail", "once", "act", "timer", "ask", "more", "scoped", "nothing")


class Oracle(Observer):
    """What happened in one life: every event that was routed, each step, loss, denial and dead letter."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.steps: set[tuple[str, str]] = set()
        self.lost: list[tuple[str, str, str]] = []
        self.dead: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        self.refused: list[str] = []

    def routed(self, event: Any, queues: int) -> None:
        self.events[event.id] = event

    def accepted(self, queue: str, event: Any) -> None:
        self.events[event.id] = event

    def dropped(self, queue: str, event: Any, reason: str) -> None:
        self.events[event.id] = event
        self.lost.append((queue, event.id, reason))

    def step_ended(self, agent: str, event: Any, outcome: str, seconds: float) -> None:
        if outcome == "committed":
            self.steps.add((agent, event.id))
        elif outcome == "failed":
            self.failed.append((agent, event.id))

    def dead_letter(self, agent: str, event: Any, reason: str) -> None:
        self.dead.append((agent, event.id))

    def acted(self, capability: str, key: str, outcome: str) -> None:
        if outcome == "denied":
            self.refused.append(key)


async def play(loom: Loom, script: list[Any], oracle: Oracle) -> None:
    """Do what a script says, then let everything come to rest."""
    loom.observers.attach(oracle)
    for line in script:
        if line in DOES:
            await loom.publish("do.it", line)
        elif line == "flood":
            for n in range(4):
                loom.offer("fast", n)
        elif line == "visit":
            await loom.publish("visit", {"room": "kitchen"})
        elif line == "cancel":
            loom.cancel("turn")
        else:
            await run_until_idle(loom, line)
    await run_until_idle(loom, 20.0)
