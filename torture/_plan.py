"""What a round feeds the runtime: pure, made from a seed, the same on both sides of the pipe. Knows nothing of Loom."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

RING = 3


class Kind(NamedTuple):
    """One kind of agent: how many of them there are, and its share of the events."""

    name: str
    agents: int
    share: int


KINDS = (
    Kind("counter", 80, 6),  # counts, sums and notes what it saw
    Kind("idler", 40, 1),  # the same, BACKGROUND
    Kind("ring", 60, 4),  # hands each event on to the next of its three, as often as it says
    Kind("pair", 20, 2),  # two handlers, one order
    Kind("crasher", 30, 3),  # fails at the first attempt of every third event
    Kind("poisoned", 10, 1),  # every fourth event fails always: a dead letter
    Kind("mover", 20, 2),  # its class has another state from life to life
    Kind("actor", 20, 2),  # acts once for each event
    Kind("careful", 10, 1),  # does what must not be done twice
    Kind("doubter", 10, 1),  # does what somebody is asked about when its outcome is unknown
    Kind("caller", 10, 1),  # calls an action, fails once, then keeps the receipt
    Kind("ringer", 20, 2),  # sets a timer for each event
    Kind("canceller", 10, 1),  # sets a timer for each event and cancels the one before
    Kind("keeper", 10, 1),  # keeps large texts
    Kind("asker", 10, 1),  # asks another agent about each event
    Kind("mixed", 10, 1),  # has a REALTIME handler beside the durable one, which fails every other time
    Kind("room", 60, 2),  # one instance for each key, most of them asleep
)
ALL = frozenset(kind.name for kind in KINDS)
AGENTS = sum(kind.agents for kind in KINDS)


def kinds(few: bool = False) -> tuple[Kind, ...]:
    """All kinds, with only a *few* agents of each where a runtime is opened thousands of times."""
    return tuple(kind._replace(agents=RING) for kind in KINDS) if few else KINDS


class Item(NamedTuple):
    """One event from outside: the *number*-th of its *publisher*, for one agent."""

    seed: int
    publisher: int
    number: int
    kind: str
    agent: int
    value: int
    hops: int

    @property
    def id(self) -> str:
        """The event's id: the same when it is published again."""
        return f"torture-{self.seed}-{self.publisher}-{self.number}"

    @property
    def mark(self) -> str:
        """How an agent notes it."""
        return f"{self.publisher}:{self.number}"

    @property
    def name(self) -> str:
        """The agent it is for."""
        return f"{self.kind}-{self.agent}"

    @property
    def topic(self) -> str:
        """Where it is published."""
        place = f"work.{self.kind}.{self.agent}"
        return place if self.kind != "pair" else f"{place}.{'odd' if self.value % 2 else 'even'}"

    @property
    def payload(self) -> dict[str, int | str]:
        """What it says."""
        said: dict[str, int | str] = {"mark": self.mark, "value": self.value, "hops": self.hops}
        return said | {"text": self.text} if self.kind == "keeper" else said

    @property
    def text(self) -> str:
        """Something long, and different each time."""
        return f"{self.value} {self.mark} " * (5 * self.value)

    @property
    def poison(self) -> bool:
        """Whether no attempt at it succeeds."""
        return self.kind == "poisoned" and self.value % 4 == 0

    def chain(self) -> Iterator[tuple[str, str]]:
        """The agents of a ring that handle it or what is derived from it, each with how it notes that."""
        first = self.agent - self.agent % RING
        for hop in range(self.hops + 1):
            yield f"ring-{first + (self.agent + hop) % RING}", f"{self.mark}:{hop}"


def items(seed: int, publisher: int, count: int, only: frozenset[str] = ALL, few: bool = False) -> list[Item]:
    """What one publisher publishes, in order, for agents of the kinds *only*."""
    chance = random.Random(f"{seed} {publisher}")
    every = kinds(few)
    shares = [kind.share if kind.name in only else 0 for kind in every]
    found = []
    for number in range(count):
        kind = chance.choices(every, shares)[0]
        hops = chance.randint(0, 8) if kind.name == "ring" else 0
        found.append(
            Item(
                seed,
                publisher,
                number,
                kind.name,
                chance.randrange(kind.agents),
                chance.randrange(1000),
                hops,
            )
        )
    return found


@dataclass(frozen=True)
class Life:
    """How one life of the process ends: killed *after* seconds of its *phase*, perhaps stopped for a while before."""

    phase: str  # killed while "starting", "recovering" (it says it is up), "working" (it has acknowledged), "leaving"
    after: float = 0.0
    stop_at: float | None = None
    stop_for: float = 0.0
    version: int = 1


def lives(seed: int, kills: int, only: frozenset[str] = ALL) -> list[Life]:
    """The lives of a round; where there are movers, their classes only ever grow newer."""
    chance = random.Random(f"{seed} lives")
    version, found = 1, []
    for _ in range(kills):
        phase = chance.choices(("starting", "recovering", "working", "leaving"), (2, 2, 6, 1))[0]
        after = (
            chance.uniform(0.05, 1.2)
            if phase == "starting"
            else chance.choice((0.1, 0.4, 1.0)) * chance.uniform(0.2, 1)
        )
        stopped = phase == "working" and chance.random() < 0.3
        found.append(
            Life(
                phase,
                after,
                chance.uniform(0, after) if stopped else None,
                chance.uniform(0.05, 0.4),
                version,
            )
        )
        version += "mover" in only and chance.random() < 0.5
    return [*found, Life("last", version=version)]
