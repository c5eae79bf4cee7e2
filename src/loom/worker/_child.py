"""The worker process: one thread that takes calls one at a time, one that says that the process runs."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import GeneratorType
from typing import Any

from loom.errors import LoomError, WorkerGarbage, WorkerRefused
from loom.worker import _wire
from loom.worker._link import Link
from loom.worker._memory import ArenaLayout, ArenaMemory
from loom.worker._resident import resident
from loom.worker.host import CallContext, Handler, Host

FD_VARIABLE = "LOOM_WORKER_FD"
FIRST_FRAME = 1 << 20


def main() -> int:
    """Serve the host at the other end of the inherited socket until it is gone; the exit code."""
    _die_with_the_host()
    link = Link(socket.socket(fileno=int(os.environ.pop(FD_VARIABLE))), FIRST_FRAME)
    first = link.receive()
    if first is None:
        return 0
    if first[0] != "init":
        raise WorkerGarbage(f"the host began with {first[0]!r} instead of init")
    return Child(link, first[1]).run()


class Child:
    """One worker's life: start, calls, end."""

    def __init__(self, link: Link, init: Any) -> None:
        self._link = link
        self._init = init
        self._busy = threading.Event()
        self._served = False
        self._handlers: Mapping[str, Handler] = {}
        self._host = Host(init.name, {}, link)

    def run(self) -> int:
        """Start, say Hello, serve."""
        self._busy.set()
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        try:
            self._start()
        except Exception as error:  # noqa: BLE001 - a factory is a stranger's code
            self._fail(0, error)
            return 3
        hello = {"protocol": _wire.PROTOCOL, "name": self._init.name, "pid": os.getpid(), "rss": resident()}
        self._link.send(hello={**hello, "methods": sorted(self._handlers)})
        self._busy.clear()
        return self._serve()

    def _start(self) -> None:
        init = self._init
        if init.protocol != _wire.PROTOCOL:
            raise WorkerGarbage(f"the host speaks protocol {init.protocol}, this worker {_wire.PROTOCOL}")
        self._link.resize(init.max_frame)
        if init.memory_limit:
            _limit_memory(init.memory_limit)
        self._host.config = json.loads(init.config or b"{}")
        for arena in init.arenas:
            layout = ArenaLayout(
                arena.name, arena.id, arena.slots, arena.slot_bytes, arena.stride, arena.offset
            )
            memory = ArenaMemory(arena.fd, layout, writable=arena.producer)
            os.close(arena.fd)
            self._host.add_arena(memory, producer=arena.producer)
        self._handlers = dict(_resolve(init.spec)(self._host))

    def _serve(self) -> int:
        while (message := self._link.receive()) is not None:
            kind, content = message
            if kind == "call":
                self._busy.set()
                if not self._call(content):
                    return 0
                self._busy.clear()
                self._served = True
            elif kind == "lease":
                self._grant(content)
            elif kind == "shutdown":
                return 0
        return 0

    def _call(self, call: Any) -> bool:
        """Answer one call; False when the process must end after it."""
        context = CallContext(self._link, call, self._grant)
        self._host.on_refresh(context.refresh)
        try:
            self._answer(call, context)
        except MemoryError as error:
            self._fail(call.id, error)
            return False  # what else failed to allocate nobody knows
        except Exception as error:  # noqa: BLE001 - a handler is a stranger's code
            self._fail(call.id, error)
        finally:
            self._host.take_back()
        return not context.shutdown

    def _answer(self, call: Any, context: CallContext) -> None:
        handler = self._handlers.get(call.method)
        if handler is None:
            raise WorkerRefused(f"worker {self._init.name!r} has no method {call.method!r}")
        result = handler(_wire.from_value(call.body, self._host.frame_from), context)
        if not call.stream:
            self._link.send(reply={"id": call.id, "body": self._value(result)})
            return
        if not isinstance(result, GeneratorType):
            raise WorkerRefused(f"{call.method!r} of worker {self._init.name!r} is no stream; use call()")
        try:
            for item in result:
                context.spend()
                self._link.send(item={"id": call.id, "body": self._value(item)})
        finally:
            result.close()
        self._link.send(stream_end={"id": call.id})

    def _value(self, body: object) -> Any:
        where = f"worker {self._init.name!r}"
        return _wire.to_value(body, self._host.handle_for, self._link.max_frame, where)

    def _grant(self, lease: Any) -> None:
        self._host.grant(lease.arena, [(each.slot, each.generation) for each in lease.slots])

    def _fail(self, call_id: int, error: BaseException) -> None:
        failure: dict[str, Any] = {"id": call_id, "code": type(error).__name__, "message": str(error)[:4000]}
        failure["trace"] = "".join(traceback.format_exception(error))[-4000:]
        failure["retryable"] = bool(getattr(error, "retryable", False))
        if isinstance(error, LoomError):
            failure["attributes"] = _json_attributes(error)
        self._link.send(failure=failure)

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._init.heartbeat_ms / 1000):
            if self._busy.is_set() or self._served:
                self._served = False
                try:
                    self._link.send(heartbeat={"rss": resident()})
                except OSError:
                    os._exit(0)  # the host is gone, and the call may never look


def _resolve(spec: str) -> Callable[[Host], Mapping[str, Handler]]:
    module, _, name = spec.partition(":")
    made: Callable[[Host], Mapping[str, Handler]] = getattr(importlib.import_module(module), name)
    return made


def _json_attributes(error: LoomError) -> bytes:
    try:
        return json.dumps(vars(error)).encode()
    except (TypeError, ValueError):
        return b""


def _limit_memory(limit: int) -> None:
    # DATA counts private writable memory only: arenas and mapped model files are not held against it.
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_the_host() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which then drains
    if sys.platform != "linux":
        return  # the end of the socket has to do
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
