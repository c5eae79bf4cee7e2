"""Functions in other processes: CPU work that would hold the loop, on at most a few workers."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from loom.errors import Closed, ConfigError
from loom.event import QoS
from loom.worker.limits import WorkerLimits
from loom.worker.worker import Worker

T = TypeVar("T")
SPEC = "loom.worker._calls:factory"
_default: WeakKeyDictionary[asyncio.AbstractEventLoop, ProcessPool] = WeakKeyDictionary()


class ProcessPool:
    """At most *size* worker processes, started one by one as they are needed, each running one function at a time.

    A function that is cancelled or late is killed with its process. *memory_limit* is per process, bytes.
    """

    def __init__(
        self,
        size: int | None = None,
        *,
        memory_limit: int | None = None,
        limits: WorkerLimits | None = None,
        environment: tuple[str, ...] = (),
    ) -> None:
        limits = limits or WorkerLimits(cancel_grace=0.0)
        count = size or min(4, os.cpu_count() or 1)
        self._workers = [
            Worker(f"process-{n}", SPEC, memory_limit=memory_limit, limits=limits, environment=environment)
            for n in range(1, count + 1)
        ]
        self._load = dict.fromkeys(self._workers, 0)
        self._closed = False

    async def run(
        self, fn: Callable[..., T], *args: object, timeout: float | None = None, qos: QoS = QoS.BATCHED
    ) -> T:
        """`fn(*args)` in another process; raises what it raised.

        *fn* must be importable by module and name; arguments and result are pickled. Raises ConfigError for a
        function that the other process could not find or arguments that cannot be pickled, WorkerTimeout,
        WorkerDied, WorkerRefused when all queues are full.
        """
        if self._closed:
            raise Closed("the process pool is closed")
        body = _pickled(fn, args)
        worker = min(self._workers, key=lambda each: self._load[each])  # the first idle one that runs already
        self._load[worker] += 1
        try:
            answer = await worker.call("run", body, timeout=timeout, qos=qos)
        finally:
            self._load[worker] -= 1
        ok, result = pickle.loads(cast("bytes", answer))  # noqa: S301 - from our own process
        if not ok:
            raise result
        return cast("T", result)

    def statistics(self) -> Mapping[str, object]:
        """Snapshots of the workers by name."""
        return {worker.name: worker.statistics() for worker in self._workers}

    async def close(self) -> None:
        """End all processes."""
        self._closed = True
        await asyncio.gather(*(worker.close() for worker in self._workers))

    async def __aenter__(self) -> ProcessPool:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


async def run_in_process(
    fn: Callable[..., T], *args: object, timeout: float | None = None, pool: ProcessPool | None = None
) -> T:
    """`fn(*args)` in a worker process, of *pool* or of this loop's own (see `close_default_pool`)."""
    if pool is None:
        loop = asyncio.get_running_loop()
        pool = _default.get(loop)
        if pool is None:
            pool = _default[loop] = ProcessPool()
    return await pool.run(fn, *args, timeout=timeout)


async def close_default_pool() -> None:
    """End the processes that `run_in_process` started on this loop."""
    pool = _default.pop(asyncio.get_running_loop(), None)
    if pool is not None:
        await pool.close()


def _pickled(fn: Callable[..., object], args: tuple[object, ...]) -> bytes:
    module, qualname = importable(fn)
    try:
        return pickle.dumps((module, qualname, args))
    except Exception as error:  # noqa: BLE001 - pickling runs the arguments' own code
        raise ConfigError(f"arguments of {qualname} cannot go to another process: {error}") from None


def importable(fn: Callable[..., object]) -> tuple[str, str]:
    """Module and qualified name under which another process finds *fn*; raises ConfigError when it cannot."""
    module, qualname = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    advice = "define it with def at the top level of a module of yours and pass that"
    if not module or not qualname:
        raise ConfigError(f"{fn!r} has no name that another process could import; {advice}")
    if module == "__main__":
        raise ConfigError(
            f"{qualname} is defined in the script that runs (__main__), which another process cannot import; "
            "move it into a module beside the script"
        )
    if "<" in qualname:
        kind = "a lambda" if "<lambda>" in qualname else "defined inside another function"
        raise ConfigError(f"{module}.{qualname} is {kind}, which another process cannot import; {advice}")
    target: Any = sys.modules.get(module)
    for name in qualname.split("."):
        target = getattr(target, name, None)
    if target != fn:  # a bound method, or decorated away
        raise ConfigError(f"{module}.{qualname} names something else than the given {fn!r}; {advice}")
    return module, qualname
