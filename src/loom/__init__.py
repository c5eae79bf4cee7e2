"""A runtime for AI agents that run all the time: events in, state in the middle, actions out.

Importing this package loads the standard library only; every name below is found when it is first used.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING

__version__ = "0.1.0"

_EXPORTS: dict[str, str] = {
    "Agent": "loom.agent",
    "Approval": "loom.actions",
    "Audio": "loom.adapters.audio",
    "Bus": "loom.bus",
    "Confidentiality": "loom.event",
    "Context": "loom.agent",
    "Event": "loom.event",
    "Label": "loom.event",
    "Loom": "loom.runtime",
    "LoomError": "loom.errors",
    "Observer": "loom.telemetry",
    "QoS": "loom.event",
    "Restart": "loom.agent",
    "Retry": "loom.agent",
    "Subscription": "loom.bus",
    "action": "loom.actions",
    "at": "loom.agent",
    "cron": "loom.agent",
    "every": "loom.agent",
    "local_model": "loom.runtime",
    "on": "loom.agent",
    "source": "loom.adapters",
}

__all__ = [
    "Agent", "Approval", "Audio", "Bus", "Confidentiality", "Context", "Event", "Label", "Loom", "LoomError",
    "Observer", "QoS", "Restart", "Retry", "Subscription", "action", "at", "cron", "every", "local_model", "on",
    "source",
]  # fmt: skip

if _TYPE_CHECKING:
    from loom.actions import Approval, action
    from loom.adapters import source
    from loom.adapters.audio import Audio
    from loom.agent import Agent, Context, Restart, Retry, at, cron, every, on
    from loom.bus import Bus, Subscription
    from loom.errors import LoomError
    from loom.event import Confidentiality, Event, Label, QoS
    from loom.runtime import Loom, local_model
    from loom.telemetry import Observer


def __getattr__(name: str) -> object:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'loom' has no attribute {name!r}")
    value = getattr(_import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
