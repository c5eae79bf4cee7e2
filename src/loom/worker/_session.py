"""One life of a worker process: started, greeted, talked to, buried. The next life is another session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from loom import errors
from loom.errors import LoomError, StaleFrame, WorkerDied, WorkerError, WorkerGarbage, WorkerTimeout
from loom.worker import _wire
from loom.worker._framing import FrameDecoder
from loom.worker._framing import frame as framed
from loom.worker._output import OutputRing
from loom.worker._process import Process, describe_exit
from loom.worker._vigilance import Allowance, overdue
from loom.worker.arena import Arena
from loom.worker.frame import Frame, FrameHandle
from loom.worker.limits import WorkerLimits

CHUNK = 1 << 16
LAST_WORDS = 0.5
UNASKED_BURST, UNASKED_RATE = 1000, 200.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start: all of it decided by the host."""

    name: str
    spec: str
    config: bytes
    memory_limit: int
    arenas: Sequence[Arena]
    produces: Sequence[Arena]
    environment: Sequence[str]
    limits: WorkerLimits

    def handle_for(self, frame: Frame) -> FrameHandle | None:
        """The handle under which *frame* may go to this worker; None when it does not map the arena."""
        frame.check()
        return frame.handle if any(arena.id == frame.handle.arena for arena in self.arenas) else None


class Session(asyncio.BufferedProtocol):
    """Talks to one process. *on_message* gets what it says; *on_lost* is called once, when it is buried."""

    def __init__(
        self,
        plan: Plan,
        output: OutputRing,
        on_message: Callable[[str, Any], None],
        on_lost: Callable[[WorkerError], None],
    ) -> None:
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._output = output
        self._on_message, self._on_lost = on_message, on_lost
        self._decoder = FrameDecoder(plan.limits.max_frame)
        self._chunk = memoryview(bytearray(CHUNK))
        self._allowance = Allowance(UNASKED_BURST, UNASKED_RATE, self._loop.time())
        self._hello: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._process: Process | None = None
        self._burial: asyncio.Task[None] | None = None
        self._stopping = False
        self._ticking: asyncio.TimerHandle | None = None
        self._fed: list[Arena] = []
        self.busy = True
        self.heard: float | None = None
        self._ticked = self._loop.time()
        self.rss = 0
        self.methods: tuple[str, ...] = ()

    @property
    def pid(self) -> int:
        """Process id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def ready(self) -> bool:
        """Greeted, and not lost."""
        return self._hello.done() and self._burial is None

    async def start(self) -> None:
        """Start the process and wait for its Hello; raises what the start failed with."""
        plan = self._plan
        fds = [arena.fd for arena in plan.arenas]
        self._process = await Process.start(fds, plan.environment, self._output)
        self._process.exited.add_done_callback(self._exited)
        await self._loop.create_unix_connection(lambda: self, sock=self._process.socket)
        self.send(init=_init(plan))
        for arena in plan.produces:
            arena.attach_producer(self._loop, partial(self._lease, arena.id))
            self._fed.append(arena)
        self._ticking = self._loop.call_later(plan.limits.heartbeat, self._tick)
        try:
            async with asyncio.timeout(plan.limits.start_timeout):
                await asyncio.shield(self._hello)
        except TimeoutError:
            seconds = plan.limits.start_timeout
            self.lose(WorkerTimeout(f"worker {plan.name!r} did not start within {seconds:g} s"))
            await self._hello

    def send(self, **message: Any) -> None:
        """Send one message; nothing happens once the process is lost."""
        if self._transport is not None and self._burial is None:
            where = f"worker {self._plan.name!r}"
            self._transport.write(framed(_wire.envelope(**message), self._plan.limits.max_frame, where))

    def lose(self, cause: WorkerError | None) -> None:
        """The process is to go, or has gone: *cause* says why, None leaves that to its exit code."""
        if self._burial is None:
            self._burial = self._loop.create_task(self._bury(cause))

    async def stop(self) -> None:
        """Ask it to end, wait, kill it when it does not; afterwards the process is reaped."""
        self._stopping = True
        if self._burial is None and self._process is not None:
            if self.ready:  # one that still starts does not listen
                self.send(shutdown={})
                await asyncio.wait({self._process.exited}, timeout=self._plan.limits.stop_grace)
            self.lose(None)
        if self._burial is not None:
            await asyncio.shield(self._burial)

    def frame_from(self, handle: FrameHandle) -> Frame:
        """The frame that the worker announces; raises WorkerGarbage when the slot is not its own."""
        for arena in self._plan.produces:
            if arena.id == handle.arena:
                try:
                    return arena.accept(handle)
                except StaleFrame as error:
                    raise WorkerGarbage(
                        f"worker {self._plan.name!r} sent a handle of no frame: {error}"
                    ) from None
        raise WorkerGarbage(f"worker {self._plan.name!r} produces into no arena {handle.arena[:100]!r}")

    # asyncio.BufferedProtocol: one buffer for good, where a Protocol gets 256 KB from the system for each message
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._chunk

    def buffer_updated(self, nbytes: int) -> None:
        self.heard = self._loop.time()
        try:
            for each in self._decoder.feed(self._chunk[:nbytes]):
                if self._burial is None:
                    self._take(*_wire.parse(each))
        except WorkerGarbage as error:
            self.lose(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lose(None)

    def _take(self, kind: str, message: Any) -> None:
        if kind in ("heartbeat", "log", "release") and not self._allowance.take(self._loop.time()):
            raise WorkerGarbage(f"worker {self._plan.name!r} floods the host with {kind} messages")
        if kind == "heartbeat":
            self.rss = message.rss
        elif kind == "log":
            self._output.feed(message.text.encode("utf-8", "replace") + b"\n")
        elif kind == "release":
            self._release(message)
        elif kind == "hello":
            self._greeted(message)
        elif kind == "failure" and message.id == 0:
            self._fail_start(message)
        else:
            self._on_message(kind, message)

    def _greeted(self, hello: Any) -> None:
        if self._hello.done() or hello.protocol != _wire.PROTOCOL:
            raise WorkerGarbage(
                f"worker {self._plan.name!r} said hello twice, or for protocol {hello.protocol}"
            )
        self.methods = tuple(hello.methods)
        self.rss = hello.rss
        self.busy = False
        self._hello.set_result(None)

    def _fail_start(self, failure: Any) -> None:
        if not self._hello.done():
            self._hello.set_exception(failed(failure, f"worker {self._plan.name!r} did not start"))
        self.lose(None)

    def _release(self, message: Any) -> None:
        for arena in self._plan.produces:
            if arena.id == message.arena:
                try:
                    arena.give_back(message.slot.slot, message.slot.generation)
                except StaleFrame as error:
                    raise WorkerGarbage(str(error)) from None

    def _lease(self, arena: str, leases: list[tuple[int, int]]) -> None:
        slots = [{"slot": slot, "generation": generation} for slot, generation in leases]
        self.send(lease={"arena": arena, "slots": slots})

    def _exited(self, _: object) -> None:
        # What it said last may still be in the socket, whose end comes after it. A grandchild may hold the other
        # end open, so not for ever.
        if self._burial is None:
            self._loop.call_later(LAST_WORDS, self.lose, None)

    def _tick(self) -> None:
        if self._burial is not None:
            return
        now = self._loop.time()
        limits = self._plan.limits
        if self.busy and overdue(self.heard, self._ticked, now, limits):
            silence = now - (self.heard or now)
            self.lose(WorkerDied(f"worker {self._plan.name!r} was silent for {silence:.1f} s and was killed"))
        self._ticked = now
        self._ticking = self._loop.call_later(limits.heartbeat, self._tick)

    async def _bury(self, cause: WorkerError | None) -> None:
        assert self._process is not None
        # Nobody gave a reason: its exit code is the reason, so let it get there by itself.
        code = await self._process.wait(LAST_WORDS if cause is None and not self._stopping else 0.0)
        if self._ticking is not None:
            self._ticking.cancel()
        if self._transport is not None:
            self._transport.abort()
        else:
            self._process.socket.close()
        for arena in self._fed:
            arena.detach_producer()
        error = self._epitaph(cause, code)
        if not self._hello.done():
            self._hello.set_exception(error)
            self._hello.exception()  # seen, even when the starter was cancelled
        self._on_lost(error)

    def _epitaph(self, cause: WorkerError | None, code: int) -> WorkerError:
        tail = self._output.tail()
        lines = "".join(f"\n  | {line}" for line in tail)
        if cause is None:
            cause = WorkerDied(f"worker {self._plan.name!r} (pid {self.pid}) {describe_exit(code)}")
        return type(cause)(f"{cause}; its last lines:{lines}" if lines else str(cause))


def failed(failure: Any, where: str) -> LoomError:
    """The error that a Failure message stands for: one of Loom's own by name, else a WorkerError."""
    known = getattr(errors, failure.code, None)
    if not (isinstance(known, type) and issubclass(known, LoomError)):
        error: LoomError = WorkerError(f"{where}: {failure.code}: {failure.message}")
    else:
        error = known.__new__(known)
        Exception.__init__(error, failure.message)
        _set_attributes(error, failure.attributes)
    error.__dict__.update(retryable=failure.retryable, code=failure.code)
    if failure.trace:
        error.add_note(f"in the worker:\n{failure.trace}")
    return error


def _set_attributes(error: LoomError, attributes: bytes) -> None:
    try:
        values = json.loads(attributes or b"{}")
    except (ValueError, RecursionError):
        return
    if isinstance(values, dict):  # nothing that hides a method: the error is still to be raised
        own = {n: v for n, v in values.items() if not n.startswith("_") and not hasattr(type(error), n)}
        error.__dict__.update(own)


def _init(plan: Plan) -> dict[str, Any]:
    produced = {arena.id for arena in plan.produces}
    return {
        "protocol": _wire.PROTOCOL,
        "name": plan.name,
        "spec": plan.spec,
        "config": plan.config,
        "memory_limit": plan.memory_limit,
        "heartbeat_ms": int(plan.limits.heartbeat * 1000),
        "max_frame": plan.limits.max_frame,
        "arenas": [
            {
                "name": arena.name,
                "id": arena.id,
                "fd": arena.fd,
                "slots": arena.layout.slots,
                "slot_bytes": arena.layout.slot_bytes,
                "stride": arena.layout.stride,
                "offset": arena.layout.offset,
                "producer": arena.id in produced,
            }
            for arena in plan.arenas
        ],
    }
