"""The agents of the runtime under test. Each notes what it saw; what they should have seen only the oracle knows."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from loom import Agent, Context, Event, QoS, Restart, Retry, action, on
from torture import _mover
from torture._plan import RING, kinds

QUICK = Retry(attempts=3, base=0.001)
STUBBORN = Restart(failures=1_000_000)
KEPT = 10
SMALL = 4


@action("record.act", idempotent=True, timeout=30)
async def record_act(name: str, mark: str, idempotency_key: str) -> int:
    """Tell the actuator, which lives in another process, and wait for its receipt."""
    return await device(name, mark, idempotency_key)


@action("record.call", idempotent=True, timeout=30)
async def record_call(name: str, mark: str, idempotency_key: str) -> int:
    """As ``record.act``, for those who wait for the receipt."""
    return await device(name, mark, idempotency_key)


@action("record.once", at_most_once=True, timeout=30)
async def record_once(name: str, mark: str, idempotency_key: str) -> int:
    """As ``record.act``, but nobody may do it twice."""
    return await device(name, mark, idempotency_key)


@action("record.doubt", timeout=30)
async def record_doubt(name: str, mark: str, idempotency_key: str) -> int:
    """As ``record.act``; after a crash the guard is asked whether to do it again."""
    return await device(name, mark, idempotency_key)


async def _tell(name: str, mark: str, key: str) -> int:
    reader, writer = await asyncio.open_unix_connection(os.environ["TORTURE_ACTUATOR"])
    try:
        writer.write(json.dumps([name, mark, key]).encode() + b"\n")
        return int(await reader.readline())
    finally:
        writer.close()


device: Callable[[str, str, str], Awaitable[int]] = _tell
"""Does what is asked for: by whom, for which event, under which key; returns a receipt."""
approve: Callable[[str], object] = str
"""Says yes to a question."""
hurry = 1.0
"""Timers ring and handlers dawdle in this part of their time."""


class Noting(Agent):
    """What all of them note."""

    count: int = 0
    total: int = 0
    seen: list[str] = []

    def note(self, event: Event) -> None:
        self.count += 1
        self.total += event.payload["value"]
        self.seen.append(event.payload["mark"])


def counter(number: int) -> type[Agent]:
    class Counter(Noting, name=f"counter-{number}"):
        @on(f"work.counter.{number}")
        async def take(self, event: Event) -> None:
            self.note(event)

    return Counter


def idler(number: int) -> type[Agent]:
    class Idler(Noting, name=f"idler-{number}"):
        @on(f"work.idler.{number}", qos=QoS.BACKGROUND, capacity=SMALL)
        async def take(self, event: Event) -> None:
            await asyncio.sleep(0)
            self.note(event)

    return Idler


def ring(number: int) -> type[Agent]:
    following = number - number % RING + (number + 1) % RING

    class Ring(Noting, name=f"ring-{number}"):
        @on(f"work.ring.{number}")
        async def begin(self, event: Event, ctx: Context) -> None:
            self._hand_on(event, ctx, 0)

        @on(f"ring.{number}", capacity=SMALL)
        async def go_on(self, event: Event, ctx: Context) -> None:
            self._hand_on(event, ctx, event.payload["hop"])

        def _hand_on(self, event: Event, ctx: Context, hop: int) -> None:
            payload = event.payload
            self.count += 1
            self.seen.append(f"{payload['mark']}:{hop}")
            if hop < payload["hops"]:
                ctx.publish(f"ring.{following}", {**payload, "hop": hop + 1})

    return Ring


def pair(number: int) -> type[Agent]:
    class Pair(Noting, name=f"pair-{number}"):
        @on(f"work.pair.{number}.odd", capacity=SMALL)
        async def odd(self, event: Event) -> None:
            await asyncio.sleep(
                hurry * event.payload["value"] / 50_000
            )  # so that a kill finds events waiting
            self.note(event)

        @on(f"work.pair.{number}.even")
        async def even(self, event: Event) -> None:
            await asyncio.sleep(hurry * event.payload["value"] / 50_000)
            self.note(event)

    return Pair


def crasher(number: int) -> type[Agent]:
    class Crasher(Noting, name=f"crasher-{number}", retry=QUICK, restart=STUBBORN):
        @on(f"work.crasher.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            if event.payload["value"] % 3 == 0 and ctx.attempt == 1:
                raise ValueError("every third event, at the first attempt")

    return Crasher


def poisoned(number: int) -> type[Agent]:
    class Poisoned(Noting, name=f"poisoned-{number}", retry=QUICK, restart=STUBBORN):
        @on(f"work.poisoned.{number}")
        async def take(self, event: Event) -> None:
            self.note(event)
            if event.payload["value"] % 4 == 0:
                raise ValueError("poison")

    return Poisoned


def actor(number: int) -> type[Agent]:
    class Actor(Noting, name=f"actor-{number}"):
        @on(f"work.actor.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            ctx.act("record.act", name=ctx.agent, mark=event.payload["mark"])

    return Actor


def careful(number: int) -> type[Agent]:
    class Careful(Noting, name=f"careful-{number}"):
        @on(f"work.careful.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            ctx.act("record.once", name=ctx.agent, mark=event.payload["mark"])

    return Careful


def doubter(number: int) -> type[Agent]:
    class Doubter(Noting, name=f"doubter-{number}"):
        @on(f"work.doubter.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            ctx.act("record.doubt", name=ctx.agent, mark=event.payload["mark"])

    return Doubter


@on("loom.approval.requested")
async def guard(event: Event) -> None:
    approve(event.payload["id"])


def caller(number: int) -> type[Agent]:
    class Caller(Noting, name=f"caller-{number}", retry=QUICK, restart=STUBBORN):
        receipts: dict[str, int] = {}

        @on(f"work.caller.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            mark = event.payload["mark"]
            self.receipts[mark] = await ctx.call("record.call", name=ctx.agent, mark=mark)
            self.note(event)
            if ctx.attempt == 1:
                raise ValueError("after the call")

    return Caller


def ringer(number: int) -> type[Agent]:
    class Ringer(Noting, name=f"ringer-{number}"):
        rang: list[str] = []

        @on(f"work.ringer.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            ctx.after(hurry * event.payload["value"] / 2000, f"rang.{number}", event.payload["mark"])

        @on(f"rang.{number}")
        async def ring(self, event: Event) -> None:
            self.rang.append(event.payload)

    return Ringer


def canceller(number: int) -> type[Agent]:
    class Canceller(Noting, name=f"canceller-{number}"):
        rang: list[str] = []
        cancelled: list[str] = []
        last: list[str] = []

        @on(f"work.canceller.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            if self.last and ctx.cancel_timer(self.last[0]):
                self.cancelled.append(self.last[1])
            mark = event.payload["mark"]
            timer = ctx.after(hurry * event.payload["value"] / 4000, f"late.{number}", mark)
            self.last = [timer, mark]

        @on(f"late.{number}")
        async def ring(self, event: Event) -> None:
            self.rang.append(event.payload)

    return Canceller


def keeper(number: int) -> type[Agent]:
    class Keeper(Noting, name=f"keeper-{number}"):
        texts: dict[str, str] = {}

        @on(f"work.keeper.{number}")
        async def take(self, event: Event) -> None:
            self.note(event)
            self.texts[event.payload["mark"]] = event.payload["text"]
            if len(self.texts) > KEPT:
                del self.texts[next(iter(self.texts))]

    return Keeper


@on("ask.*")
async def answerer(event: Event) -> str:
    return f"re {event.payload}"


def asker(number: int) -> type[Agent]:
    class Asker(Noting, name=f"asker-{number}", retry=QUICK, restart=STUBBORN):
        answers: dict[str, str] = {}

        @on(f"work.asker.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            mark = event.payload["mark"]
            self.answers[mark] = (await ctx.request(f"ask.{number}", mark, timeout=30)).payload
            self.note(event)

    return Asker


def mixed(number: int) -> type[Agent]:
    class Mixed(Noting, name=f"mixed-{number}", restart=STUBBORN):
        now: list[str] = []

        @on(f"work.mixed.{number}")
        async def take(self, event: Event, ctx: Context) -> None:
            self.note(event)
            ctx.emit(f"now.{number}", event.payload)

        @on(f"now.{number}", qos=QoS.REALTIME)
        async def at_once(self, event: Event) -> None:
            self.now.append(event.payload["mark"])
            if event.payload["value"] % 2:
                self.count += 1000
                raise ValueError("every other time")

    return Mixed


class Room(Noting, name="room", key="topic.2", awake=8):
    """One for each key."""

    @on("work.room.*")
    async def take(self, event: Event) -> None:
        self.note(event)


class Watcher(Agent, name="watcher"):
    """Counts every event that came from outside."""

    count: int = 0
    total: int = 0

    @on("work.>")
    async def take(self, event: Event) -> None:
        self.count += 1
        self.total += event.payload["value"]


MAKERS: dict[str, Callable[[int], type[Agent]]] = {
    "counter": counter,
    "idler": idler,
    "ring": ring,
    "pair": pair,
    "crasher": crasher,
    "poisoned": poisoned,
    "actor": actor,
    "careful": careful,
    "doubter": doubter,
    "caller": caller,
    "ringer": ringer,
    "canceller": canceller,
    "keeper": keeper,
    "asker": asker,
    "mixed": mixed,
}


def everything(version: int, few: bool = False) -> Iterator[Any]:
    """All actions and agents, or a *few* of each kind, movers at *version* of their state."""
    yield from (record_act, record_call, record_once, record_doubt, answerer, guard, Room, Watcher)
    for kind in kinds(few):
        if kind.name == "room":
            continue
        make = MAKERS.get(kind.name)
        for number in range(kind.agents):
            yield _mover.mover(number, version) if make is None else make(number)


def known(agent: Agent) -> dict[str, Any]:
    """What an agent has noted, whatever its class calls it."""
    if type(agent).__name__ == "Mover":
        return _mover.known(agent)
    return {name: value for name, value in vars(agent).items() if not name.startswith("_")}
