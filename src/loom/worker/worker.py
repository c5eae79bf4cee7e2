"""A Worker: a Python process that answers calls, started when it is needed and again when it died."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from itertools import count
from typing import Any

from loom.errors import (
    Closed,
    ConfigError,
    LoomError,
    WorkerDied,
    WorkerError,
    WorkerGarbage,
    WorkerRefused,
    WorkerTimeout,
)
from loom.event import QoS
from loom.worker import _wire
from loom.worker._job import COUNTED, Answer, Items, Job
from loom.worker._output import OutputRing
from loom.worker._pending import PendingCalls
from loom.worker._rest import Rest
from loom.worker._restarts import Restarts
from loom.worker._session import Plan, Session, failed
from loom.worker.arena import Arena
from loom.worker.limits import WorkerLimits

__all__ = ["Answer", "Worker"]


class Worker:
    """A process that runs `spec` ("package.module:factory") and answers calls one at a time, urgent ones first.

    The factory gets a `Host` and returns the methods by name. The process starts with the first call, and after a
    death with the next one, with growing pauses; with `limits.idle` it sleeps while nobody needs it. It maps *arenas*,
    and writes frames into those named in *produces* (which need not be repeated in *arenas*). It sees few environment
    variables: PATH, LANG, HOME, PYTHONPATH, VIRTUAL_ENV, TMPDIR and those named in *environment*. *memory_limit*
    counts its private memory, bytes.
    `spec` and `config` are the host's own; never take them from an event or a file of somebody else.
    """

    def __init__(
        self,
        name: str,
        spec: str,
        config: Mapping[str, object] | None = None,
        *,
        memory_limit: int | None = None,
        arenas: Sequence[Arena] = (),
        produces: Sequence[Arena] = (),
        environment: Sequence[str] = (),
        limits: WorkerLimits | None = None,
    ) -> None:
        if spec.count(":") != 1:
            raise ConfigError(f"worker {name!r}: spec {spec!r} is not of the form 'package.module:factory'")
        self.name = name
        self.limits = limits or WorkerLimits()
        try:
            settings = json.dumps(dict(config or {})).encode()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"worker {name!r}: config must be JSON: {error}") from None
        mapped = tuple({arena.id: arena for arena in (*arenas, *produces)}.values())
        names = [arena.name for arena in produces]
        if twice := [arena for arena in names if names.count(arena) > 1]:
            raise ConfigError(f"worker {name!r} produces into two arenas called {twice[0]!r}; rename one")
        self._plan = Plan(
            name, spec, settings, memory_limit or 0, mapped, tuple(produces), tuple(environment), self.limits
        )
        self._output = OutputRing(self.limits.output_lines)
        self._pending: PendingCalls[Job] = PendingCalls(self.limits.pending, self.limits.pending_bytes)
        self._ids = count(1)
        self._session: Session | None = None
        self._starting: asyncio.Task[LoomError | None] | None = None
        self._current: Job | None = None
        self._abandoned: asyncio.TimerHandle | None = None
        self._closed = False
        self._restarts = Restarts(self.limits)
        self._rest = Rest(self.limits.idle, self._doze)
        self._dozing: asyncio.Task[None] | None = None
        self._counts = dict.fromkeys(COUNTED, 0)

    async def call(
        self, method: str, body: object = None, *, timeout: float | None = None, qos: QoS = QoS.BATCHED
    ) -> object:
        """Call *method* with *body* (JSON, bytes, an array, a Frame, or a dict of these) and return its result.

        Raises WorkerTimeout after *timeout* seconds, queue included, WorkerDied and WorkerGarbage when the
        process ended or talked nonsense meanwhile, WorkerRefused when the queue is full or the method
        unknown, PayloadTooLarge, InvalidEvent for a body with no wire form, and what the method raised: Loom's
        errors as themselves, others as WorkerError.
        """
        return (await self.timed_call(method, body, timeout=timeout, qos=qos)).value

    async def timed_call(
        self, method: str, body: object = None, *, timeout: float | None = None, qos: QoS = QoS.BATCHED
    ) -> Answer:
        """Like `call`, with the times of the answer."""
        job = self._submit(method, body, timeout, qos)
        try:
            value = await job.answer
        except asyncio.CancelledError:
            self._counts["cancelled"] += 1
            raise
        finally:
            self._abandon(job)
        return job.timed(value, asyncio.get_running_loop().time())

    async def stream(
        self,
        method: str,
        body: object = None,
        *,
        timeout: float | None = None,
        qos: QoS = QoS.BATCHED,
        window: int = 8,
    ) -> AsyncGenerator[Any, None]:
        """The items that *method* yields; at most *window* of them wait here, then the worker has to.

        The worker does nothing else meanwhile; *timeout* is for the whole stream. Leave the loop through
        `contextlib.aclosing` to cancel it at once. Raises as `call` does.
        """
        items = Items(window)
        job = self._submit(method, body, timeout, qos, items)
        try:
            while True:
                while items.ready:
                    yield items.take()
                    self._give_credit(job, items)
                if job.answer.done():
                    job.answer.result()
                    return
                items.waiter = asyncio.get_running_loop().create_future()
                await items.waiter
        finally:
            items.ready.clear()
            self._abandon(job)

    async def start(self) -> None:
        """Start the process now rather than with the first call; raises what the start failed with."""
        self._check_open()
        while self._dozing is not None:
            await asyncio.wait({self._dozing})
        if self._session is None and (refusal := self._begin_start()) is not None:
            raise refusal
        if self._starting is not None:
            error = await asyncio.shield(self._starting)
            if error is not None:
                raise error
        self._advance()

    async def close(self) -> None:
        """End the process: asked, then killed. Whoever waits gets Closed. May be called twice."""
        self._closed = True
        self._rest.end()
        waiting = self._pending.drain() + ([self._current] if self._current else [])
        for job in waiting:
            job.finish(error=Closed(f"worker {self.name!r} is closed"))
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        if self._dozing is not None:
            await asyncio.wait({self._dozing})
        if self._session is not None:
            await self._session.stop()
        self._forget_abandoned()

    async def __aenter__(self) -> Worker:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def statistics(self) -> Mapping[str, object]:
        """A snapshot: counts since the beginning, what waits, and the process (pid 0: none runs)."""
        session = self._session
        return {
            **self._counts,
            "pending": self._pending.depths(),
            "running": int(self._current is not None),
            "pid": session.pid if session else 0,
            "rss": session.rss if session else 0,
            "output_lines": self._output.total,
        }

    def output(self, count: int = 10) -> list[str]:
        """The last *count* lines that the process printed or logged."""
        return self._output.tail(count)

    # A call's way: submitted, sent when the worker is free, answered or abandoned.
    def _submit(
        self, method: str, body: object, timeout: float | None, qos: QoS, items: Items | None = None
    ) -> Job:
        self._check_open()
        loop = asyncio.get_running_loop()
        now = loop.time()
        value = _wire.to_value(body, self._plan.handle_for, self.limits.max_frame, f"worker {self.name!r}")
        deadline = None if timeout is None else now + timeout
        nbytes, answer = value.ByteSize(), loop.create_future()
        job = Job(next(self._ids), method, body, value, qos, nbytes, now, deadline, answer, items)
        why = self._pending.refuses(job)
        if why is not None:
            self._counts["refused"] += 1
            raise WorkerRefused(f"worker {self.name!r} refuses {method!r}: {why}; call it less often")
        self._counts["calls"] += 1
        self._pending.push(job)
        if deadline is not None:
            job.timer = loop.call_at(deadline, self._expire, job)
        self._advance()
        return job

    def _advance(self) -> None:
        """Do what can be done now: send the next call, or start the process it needs, or let it rest."""
        self._rest.end()
        while self._current is None and not self._closed and len(self._pending):
            session = self._session
            if session is None:
                self._begin_start()
                return
            if not session.ready or self._dozing is not None:
                return
            job = self._pending.pop()
            if job is not None and not job.answer.done():
                self._send(session, job)
        if self._current is None and not self._closed:
            self._rest.begin()

    def _send(self, session: Session, job: Job) -> None:
        if job.method not in session.methods:
            job.finish(error=WorkerRefused(f"worker {self.name!r} {job.stranger_to(session.methods)}"))
            return
        now = asyncio.get_running_loop().time()
        try:
            session.send(call=job.message(now))
        except LoomError as error:  # the envelope around a body just below the limit
            job.finish(error=error)
            return
        job.started = session.heard = now
        job.value = None
        self._current = job
        session.busy = True

    def _expire(self, job: Job) -> None:
        self._counts["timeouts"] += 1
        passed = job.passed(asyncio.get_running_loop().time())
        job.finish(error=WorkerTimeout(f"{job.method!r} of worker {self.name!r}: {passed}"))
        self._abandon(job)

    def _abandon(self, job: Job) -> None:
        """Nobody waits for *job* any more: forget it, or tell the worker, or kill it when it does not listen."""
        if job.timer is not None:
            job.timer.cancel()
        if job.started is None:
            self._pending.remove(job)
        self._counts["cancelled"] += job.answer.cancel()  # a stream; a call has counted itself
        if self._current is not job or self._abandoned is not None:
            return
        if self._session is not None and self._session.ready:
            self._session.send(cancel={"id": job.id})
            loop = asyncio.get_running_loop()
            self._abandoned = loop.call_later(self.limits.cancel_grace, self._give_up, job)

    def _give_up(self, job: Job) -> None:
        late = f"{job.method!r} did not end {self.limits.cancel_grace:g} s after its cancel"
        self._kill(f"worker {self.name!r} was killed: {late}")

    def _kill(self, cause: str) -> None:
        if self._session is not None:
            self._session.lose(WorkerDied(cause))

    def _give_credit(self, job: Job, items: Items) -> None:
        credit = items.settle()
        if credit and self._session is not None and self._current is job:
            self._session.send(credit={"id": job.id, "count": credit})

    # What the worker says.
    def _on_message(self, kind: str, message: Any) -> None:
        job = self._current
        if job is None or kind not in ("reply", "failure", "item", "stream_end") or message.id != job.id:
            raise WorkerGarbage(f"worker {self.name!r} sent {kind!r} that nobody asked for")
        if kind == "item":
            self._take_item(job, message)
            return
        if kind == "failure" and message.code == "MemoryError":
            self._out_of_memory(job)
            return
        assert self._session is not None
        if kind == "failure":
            self._counts["failures"] += self._abandoned is None
            job.finish(error=failed(message, f"{job.method!r} of worker {self.name!r}"))
        else:
            self._counts["answered"] += 1
            self._restarts.worked()
            value = _wire.from_value(message.body, self._session.frame_from) if kind == "reply" else None
            job.finish(value)
        self._over()

    def _take_item(self, job: Job, message: Any) -> None:
        assert self._session is not None
        item = _wire.from_value(message.body, self._session.frame_from)
        if job.items is None or not job.items.put(item):
            raise WorkerGarbage(f"worker {self.name!r} sent an item without credit")
        self._restarts.worked()
        self._counts["items"] += 1
        if job.answer.done():
            job.items.ready.clear()

    def _out_of_memory(self, job: Job) -> None:
        limit = self._plan.memory_limit
        bound = f"its memory limit of {limit:,} bytes" if limit else "memory"
        self._kill(
            f"worker {self.name!r} ran out of {bound} in {job.method!r}; raise memory_limit or send less"
        )

    def _over(self) -> None:
        self._current = None
        self._forget_abandoned()
        if self._session is not None:
            self._session.busy = False
        self._advance()

    def _forget_abandoned(self) -> None:
        if self._abandoned is not None:
            self._abandoned.cancel()
            self._abandoned = None

    # The process's way: started by need, lost, started again.
    def _begin_start(self) -> LoomError | None:
        loop = asyncio.get_running_loop()
        refusal = None if self._starting else self._restarts.refusal(loop.time())
        if refusal is not None:
            for job in self._pending.drain():
                job.finish(error=refusal)
        elif self._starting is None:
            self._starting = loop.create_task(self._start())
        return refusal

    async def _start(self) -> LoomError | None:
        try:
            error = await self._try_start()
            self._restarts.started(error)
            if error is not None and self._session is not None:
                await self._session.stop()
                self._session = None
            for job in self._pending.drain() if error is not None else ():
                job.finish(error=error)
        finally:
            self._starting = None
        self._advance()
        return error

    async def _try_start(self) -> LoomError | None:
        await asyncio.sleep(self._restarts.pause(asyncio.get_running_loop().time()))
        self._session = session = Session(self._plan, self._output, self._on_message, self._lost)
        self._counts["starts"] += 1
        try:
            await session.start()
        except LoomError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
            return WorkerDied(f"worker {self.name!r} could not be started: {type(error).__name__}: {error}")
        return None

    def _doze(self) -> None:
        """Nobody needed the process for long: it may end. A call that comes meanwhile waits, and starts it again."""
        session = self._session
        if session is not None and session.ready and self._dozing is None:
            self._counts["sleeps"] += 1
            self._dozing = asyncio.get_running_loop().create_task(self._sleep(session))

    async def _sleep(self, session: Session) -> None:
        try:
            await session.stop()
        finally:
            self._dozing = None
            self._advance()

    def _lost(self, error: WorkerError) -> None:
        if self._closed or self._dozing is not None:
            self._session = None
            return
        self._counts["deaths"] += 1
        self._restarts.died(asyncio.get_running_loop().time())
        self._session = None
        job, self._current = self._current, None
        self._forget_abandoned()
        if job is not None:
            job.finish(error=error)
        if self._starting is None:
            self._advance()

    def _check_open(self) -> None:
        if self._closed:
            raise Closed(f"worker {self.name!r} is closed; make a new one")
