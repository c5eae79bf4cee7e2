"""Worker processes: Python that must not run on the loop, behind typed calls, deadlines and shared-memory frames.

Lazy on purpose: the worker process itself imports this package and needs no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loom.worker.arena import Arena
    from loom.worker.frame import Frame
    from loom.worker.host import CallContext, FrameWriter, Handler, Host
    from loom.worker.limits import WorkerLimits
    from loom.worker.pool import ProcessPool, run_in_process
    from loom.worker.worker import Answer, Worker

__all__ = [
    "Answer",
    "Arena",
    "CallContext",
    "Frame",
    "FrameWriter",
    "Handler",
    "Host",
    "ProcessPool",
    "Worker",
    "WorkerLimits",
    "run_in_process",
]

_HOME = {
    "Answer": "loom.worker.worker",
    "Arena": "loom.worker.arena",
    "CallContext": "loom.worker.host",
    "Frame": "loom.worker.frame",
    "FrameWriter": "loom.worker.host",
    "Handler": "loom.worker.host",
    "Host": "loom.worker.host",
    "ProcessPool": "loom.worker.pool",
    "Worker": "loom.worker.worker",
    "WorkerLimits": "loom.worker.limits",
    "run_in_process": "loom.worker.pool",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
