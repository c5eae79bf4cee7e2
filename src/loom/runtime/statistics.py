"""A snapshot of everything a runtime counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loom.agent import Services
from loom.bus import QueueStatistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loom.runtime._sources import SourceRunner, SourceStatistics


@dataclass(frozen=True, slots=True)
class AgentStatistics:
    """One agent: its status and how its steps ended."""

    name: str
    status: str
    committed: int
    failed: int
    cancelled: int
    interrupted: int
    given_up: int
    waiting_output: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts since the runtime was made; ``queues`` obey the law of the queue.

    ``sources`` says how many events each published, ``senses`` what else is known of them.
    """

    state: str
    steps: int
    dead_letters: int
    unrouted: int
    refused_threadsafe: int
    timers: int
    agents: dict[str, AgentStatistics]
    queues: list[QueueStatistics]
    actions: dict[str, int]
    actions_pending: int
    sources: dict[str, int]
    senses: dict[str, SourceStatistics]


def snapshot(state: str, services: Services, sources: Mapping[str, SourceRunner]) -> Statistics:
    """Read every counter now."""
    agents = {
        cell.name: AgentStatistics(
            cell.name,
            cell.status,
            cell.committed_steps,
            c.failed,
            c.cancelled,
            c.interrupted,
            c.given_up,
            len(cell.standing),
        )
        for cell in services.cells.values()
        for c in (cell.counts,)
    }
    steps = sum(a.committed + a.failed + a.cancelled + a.interrupted for a in agents.values())
    return Statistics(
        state, steps, services.dead, services.bus.unrouted, services.bus.refused_threadsafe,
        len(services.timers), agents, services.bus.statistics(), dict(services.executor.counts),
        services.executor.pending,
        {name: runner.published for name, runner in sources.items()},
        {name: runner.statistics() for name, runner in sources.items()},
    )  # fmt: skip
