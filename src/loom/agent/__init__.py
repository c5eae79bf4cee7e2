"""Agents: one event at a time, persistent state, steps that commit or leave nothing."""

from loom.agent._cell import Cell
from loom.agent._handlers import at, cron, every, on
from loom.agent._requests import Requests
from loom.agent._scheduler import Scheduler
from loom.agent._services import DeadLetter, Services
from loom.agent._supervision import Restart, Retry
from loom.agent._timers import Timers
from loom.agent.agent import Agent, AgentSpec, function_spec, spec_of
from loom.agent.context import Context

__all__ = [
    "Agent", "AgentSpec", "Cell", "Context", "DeadLetter", "Requests", "Restart", "Retry", "Scheduler", "Services",
    "Timers", "at", "cron", "every", "function_spec", "on", "spec_of",
]  # fmt: skip
