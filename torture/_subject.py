"""The runtime under test: reads what to publish on stdin, acknowledges on stdout, until it is killed.

python -m torture._subject BACKEND FOLDER VERSION
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import sys
from typing import Any

from loom import Loom, LoomError
from loom.agent.agent import spec_of
from torture import _agents
from torture._agents import Room, everything, known
from torture._plan import KINDS

PUBLISHERS = 8
DRAIN = 30.0
OVERDUE = 8.0


def tell(**message: Any) -> None:
    """One line to the killer; it is in the pipe when this returns, whatever happens to this process."""
    os.write(1, json.dumps(message).encode() + b"\n")


def make(backend: str, folder: str) -> Loom:
    """The runtime on *folder*; backend "memory" keeps nothing and has to be caught."""
    if backend == "memory":
        return Loom(watchdog=None)
    loom = Loom(data=folder, backend=backend, watchdog=None)
    _agents.approve = loom.approve
    return loom


class Subject:
    """A runtime, its publishers, and what it is told to do."""

    def __init__(self, loom: Loom) -> None:
        self.loom = loom
        self.lines: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Until told to leave, or the killer has gone."""
        async for line in reader:
            order = json.loads(line)
            if order["do"] == "leave":
                return
            if order["do"] == "publish":
                self.queue(order["p"]).put_nowait(order)
            else:
                tell(**{order["do"]: await getattr(self, order["do"])()})

    def queue(self, publisher: int) -> asyncio.Queue[dict[str, Any]]:
        """The lines of one publisher, which publishes one after the other."""
        if publisher not in self.lines:
            self.lines[publisher] = asyncio.Queue()
            self.tasks.add(asyncio.create_task(self.publish(self.lines[publisher])))
        return self.lines[publisher]

    async def publish(self, lines: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            order = await lines.get()
            try:
                await self.loom.publish(order["topic"], order["payload"], id=order["id"])
            except LoomError as error:
                tell(refused=order["id"], why=f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.05)
            else:
                tell(ack=order["id"])

    async def tidy(self) -> None:
        """Take away what is handled as soon as may be, again and again."""
        self.loom.journal(">", count=1)
        while True:
            await asyncio.sleep(0.05)
            await self.loom.tidy()

    async def drain(self) -> bool:
        """Wait until everything is handled and every timer has rung (or is overdue); False if it does not end."""
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(DRAIN):
                await self.loom.idle()
                overdue = clock() + OVERDUE
                while self.waiting() and clock() < overdue:
                    await asyncio.sleep(0.02)
                await self.loom.idle()
        except TimeoutError:
            faulthandler.dump_traceback()
            queues = [q for q in self.loom.statistics().queues if q.queued or q.in_flight or q.refused]
            asked = self.loom.approvals.pending()
            told = (
                f"{self.waiting()} timers to ring, {len(asked)} open questions: {asked[:3]}; queues: {queues}"
            )
            print(told[:3000], file=sys.stderr)
            return False
        return True

    def waiting(self) -> int:
        """How many timers have not rung yet."""
        states = [
            known(cell.instance)
            for name, cell in self.loom._cells.items()
            if name.startswith(("ringer-", "canceller-"))
        ]
        return sum(len(s["seen"]) - len(s["rang"]) - len(s.get("cancelled", ())) for s in states)

    async def report(self) -> dict[str, Any]:
        """The states of all agents, and the dead letters."""
        agents = {name: known(cell.instance) for name, cell in self.loom._cells.items() if named(name)}
        agents |= rooms(self.loom)
        letters = [] if self.loom._durable is None else self.loom.dead.letters()
        return {"agents": agents, "dead": [[letter.agent, letter.id] for letter in letters]}


def named(name: str) -> bool:
    """Whether it is an agent that the oracle knows by this name."""
    return name not in ("answerer", "guard", "room") and "/" not in name


def rooms(loom: Loom) -> dict[str, Any]:
    """What the instances of the keyed agent know, asleep or not."""
    if loom._durable is None:
        return {}
    spec, found = spec_of(Room), {}
    for number in range(max(kind.agents for kind in KINDS if kind.name == "room")):
        kept = loom._durable.states.restore(spec, f"room/{number}")
        if kept is not None:
            found[f"room-{number}"] = dict(zip(spec.snapshot.names, kept[0], strict=True))
    return found


async def main(backend: str, folder: str, version: int) -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    loom = make(backend, folder)
    loom.add(*everything(version))
    async with loom:
        tell(up=os.getpid())
        subject = Subject(loom)
        if "TORTURE_TIDY" in os.environ:
            subject.tasks.add(asyncio.create_task(subject.tidy()))
        try:
            await subject.run(reader)
        finally:
            for task in subject.tasks:
                task.cancel()
    tell(left=loom.left)


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
