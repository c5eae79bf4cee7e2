"""Running actions: in order per agent and capability, bounded, with timeout, retries, approval and one run per key."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from loom.actions.action import Action, Approval
from loom.actions.registry import Registry
from loom.actions.schema import check_arguments
from loom.errors import ActionDenied, ActionError, ActionFailed, ActionTimeout, LoomError
from loom.telemetry import Observers

log = logging.getLogger("loom.actions")
_REMEMBERED = 4096


@dataclass(eq=False, slots=True)
class Invocation:
    """One request for an action: who wants it, with which arguments, under which stable key, in which scope."""

    action: Action
    arguments: Mapping[str, Any]
    key: str
    agent: str = ""
    scope: str | None = None
    done: Callable[[Invocation, BaseException | None], None] | None = None
    task: asyncio.Task[Any] | None = field(default=None)
    doomed: bool = False


class Executor:
    """Runs the actions of one runtime.

    *approve* is asked for actions whose policy is ASK. *capacity* bounds the buffered acts that wait or run; *sleep*
    waits between attempts.
    """

    def __init__(
        self,
        registry: Registry,
        observers: Observers,
        approve: Callable[[Invocation], Awaitable[bool]],
        *,
        capacity: int = 1024,
        random: Random | None = None,
        policy: Mapping[str, Approval] | None = None,
    ) -> None:
        self.registry = registry
        self.capacity = capacity
        self.pending = 0
        self.counts: dict[str, int] = {"done": 0, "failed": 0, "denied": 0, "timeout": 0, "cancelled": 0}
        self.policy = dict(policy or {})
        self._observers = observers
        self._approve = approve
        self._random = random or Random()
        self._lanes: dict[tuple[str, str], deque[Invocation]] = {}
        self._running: set[Invocation] = set()
        self._results: OrderedDict[str, asyncio.Future[Any]] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.on_idle: Callable[[], None] = lambda: None
        self._room = asyncio.Event()

    def submit(self, invocation: Invocation) -> bool:
        """Run *invocation* after those its agent submitted for the same capability before; False if *capacity* is used up."""
        if self.pending >= self.capacity:
            return False
        self.pending += 1
        lane = (invocation.agent, invocation.action.name)
        if lane in self._lanes:
            self._lanes[lane].append(invocation)
            return True
        self._lanes[lane] = deque([invocation])
        task = asyncio.get_running_loop().create_task(self._run_lane(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def room(self) -> None:
        """Return when fewer than *capacity* acts wait or run."""
        while self.pending >= self.capacity:
            self._room.clear()
            await self._room.wait()

    async def call(self, invocation: Invocation) -> Any:
        """Run *invocation* now and return its result; raises ActionDenied, ActionTimeout, ActionFailed.

        A second call under the same key gets the first one's result, or waits for it, and does nothing again.
        """
        known = self._results.get(invocation.key)
        if known is not None:
            return await asyncio.shield(known)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._results[invocation.key] = future
        try:
            result = await (
                self._attempt_all(invocation) if invocation.action.interruptible else self._to_the_end(invocation)
            )
        except BaseException as error:
            self._results.pop(invocation.key, None)
            self._fail(future, error)
            raise
        future.set_result(result)
        self._trim()
        return result

    def cancel(self, doomed: Callable[[str | None], bool]) -> int:
        """End what waits, and what runs and is interruptible, in every scope for which *doomed* is true."""
        ended = 0
        for lane in self._lanes.values():
            for invocation in lane:
                if doomed(invocation.scope) and not invocation.doomed and invocation not in self._running:
                    invocation.doomed = True
                    ended += 1
        for invocation in list(self._running):
            if doomed(invocation.scope) and invocation.action.interruptible and invocation.task and not invocation.doomed:
                invocation.doomed = True
                invocation.task.cancel()
                ended += 1
        return ended

    async def close(self) -> None:
        """Cancel everything that still waits or runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _run_lane(self, lane: tuple[str, str]) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting:
                await self._run_one(waiting[0])
                waiting.popleft()
        finally:
            self.pending -= len(waiting)
            del self._lanes[lane]
            self.on_idle()

    async def _run_one(self, invocation: Invocation) -> None:
        error: BaseException | None = None
        try:
            if not invocation.doomed:
                await self.call(invocation)
            else:
                self._count(invocation, "cancelled")
        except LoomError as failure:
            error = failure
            log.warning("%s of %s failed: %s", invocation.action.name, invocation.agent or "loom", failure)
        except asyncio.CancelledError:
            if not invocation.doomed:
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        self.pending -= 1
        self._room.set()
        if invocation.done is not None:
            invocation.done(invocation, error)
        self.on_idle()

    async def _to_the_end(self, invocation: Invocation) -> Any:
        """Run an action that finishes even if the caller is cancelled meanwhile."""
        task = asyncio.get_running_loop().create_task(self._attempt_all(invocation))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _attempt_all(self, invocation: Invocation) -> Any:
        action = invocation.action
        await self._permit(invocation)
        check_arguments(action.schema, invocation.arguments, action.name)
        for attempt in range(1, action.attempts + 1):
            try:
                result = await self._attempt(invocation)
            except asyncio.CancelledError:
                self._count(invocation, "cancelled")
                raise
            except ActionFailed as error:
                if not error.retryable or attempt == action.attempts:
                    self._count(invocation, "failed")
                    raise
                await asyncio.sleep(min(5.0, 0.1 * 2 ** (attempt - 1)) * (0.8 + 0.4 * self._random.random()))
            except ActionTimeout:
                if not action.idempotent or attempt == action.attempts:
                    self._count(invocation, "timeout")
                    raise
            else:
                self._count(invocation, "done")
                return result
        raise ActionFailed(f"action {action.name!r} was not attempted")  # attempts is at least 1

    async def _attempt(self, invocation: Invocation) -> Any:
        action = invocation.action
        arguments = dict(invocation.arguments)
        if action.takes_key:
            arguments["idempotency_key"] = invocation.key
        invocation.task = asyncio.current_task()
        self._running.add(invocation)
        try:
            async with asyncio.timeout(action.timeout):
                result = action.function(**arguments)
                return await result if inspect.isawaitable(result) else result
        except TimeoutError as error:
            raise ActionTimeout(f"action {action.name!r} took longer than its timeout of {action.timeout} s") from error
        except ActionError:
            raise
        except Exception as error:  # a stranger's code: typed, counted, passed on
            raise ActionFailed(f"action {action.name!r} raised {type(error).__name__}: {error}") from error
        finally:
            self._running.discard(invocation)

    async def _permit(self, invocation: Invocation) -> None:
        action = invocation.action
        approval = self.policy.get(action.name, action.approval)
        if approval is Approval.ALLOW:
            return
        if approval is Approval.ASK and await self._approve(invocation):
            return
        reason = "its policy is deny" if approval is Approval.DENY else "nobody approved it in time, or somebody said no"
        self._count(invocation, "denied")
        self._observers.tell("denied", invocation.agent, action.name, reason)
        raise ActionDenied(f"action {action.name!r} is not allowed for {invocation.agent or 'this caller'}: {reason}")

    def _count(self, invocation: Invocation, outcome: str) -> None:
        self.counts[outcome] += 1
        self._observers.tell("acted", invocation.action.name, invocation.key, outcome)

    def _fail(self, future: asyncio.Future[Any], error: BaseException) -> None:
        if isinstance(error, Exception):
            future.set_exception(error)
            future.exception()
        else:
            future.cancel()

    def _trim(self) -> None:
        while len(self._results) > _REMEMBERED:
            key, future = next(iter(self._results.items()))
            if not future.done():
                break
            del self._results[key]
