"""Running actions: in order per agent and capability, bounded, with timeout, retries, approval and one run per key."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from loom.actions.action import Action, Approval
from loom.actions.entry import Entry
from loom.actions.registry import Registry
from loom.clock import Chance
from loom.errors import ActionDenied, ActionError, ActionFailed, ActionTimeout, Closed, LoomError, StoreError
from loom.telemetry import Observers

log = logging.getLogger("loom.actions")
_REMEMBERED = 4096


class Invocation:
    """One request for an action: who wants it, with which arguments, under which stable key, in which scope.

    ``begun`` once the action's function was called, ``doomed`` once its scope was cancelled, ``task`` while a lane of
    the executor works on it, ``cut`` when that task was cancelled. ``entry`` is its line in a ledger, if there is one.
    """

    __slots__ = (
        "action", "agent", "arguments", "begun", "cut", "done", "doomed", "entry", "key", "scope", "task",
    )  # fmt: skip

    def __init__(
        self,
        action: Action,
        arguments: Mapping[str, Any],
        key: str,
        agent: str = "",
        scope: str | None = None,
        done: Callable[[Invocation, BaseException | None], None] | None = None,
    ) -> None:
        self.action = action
        self.arguments = arguments
        self.key = key
        self.agent = agent
        self.scope = scope
        self.done = done
        self.task: asyncio.Task[Any] | None = None
        self.begun = False
        self.doomed = False
        self.cut = False
        self.entry: Entry | None = None


class Executor:
    """Runs the actions of one runtime.

    *approve* is asked for actions whose policy is ASK. *capacity* bounds the buffered acts that wait or run. While
    ``held``, acts of an earlier process are handed in, and new ones that have an entry wait.
    """

    def __init__(
        self,
        registry: Registry,
        observers: Observers,
        approve: Callable[[Invocation], Awaitable[bool]],
        *,
        capacity: int = 1024,
        chance: Chance | None = None,
        policy: Mapping[str, Approval] | None = None,
    ) -> None:
        self.registry = registry
        self.capacity = capacity
        self.pending = 0
        self.held = self.closed = False
        self.counts: dict[str, int] = {"done": 0, "failed": 0, "denied": 0, "timeout": 0, "cancelled": 0}
        self.policy = dict(policy or {})
        self._observers = observers
        self._approve = approve
        self._chance = chance or Chance()
        self._lanes: dict[tuple[str, str], deque[Invocation]] = {}
        self._flights: dict[str, asyncio.Future[Any]] = {}
        self._results: OrderedDict[str, Any] = OrderedDict()
        self._spent: OrderedDict[str, str] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.on_idle: Callable[[], None] = lambda: None
        self._room = asyncio.Event()

    def submit(self, invocation: Invocation, recovered: bool = False) -> bool:
        """Run *invocation* after those its agent submitted for this capability; False if it has to wait."""
        if self.pending >= self.capacity or (self.held and not recovered and _lasts(invocation)):
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

    async def room(self, recovered: bool = False) -> None:
        """Return when fewer than *capacity* acts wait or run, and those of an earlier process are in."""
        while self.pending >= self.capacity or (self.held and not recovered):
            self._room.clear()
            await self._room.wait()

    def release(self) -> None:
        """Let acts of this process in: those of an earlier one are."""
        self.held = False
        self._room.set()
        self.on_idle()

    @property
    def busy(self) -> bool:
        """Whether an action waits or runs."""
        return bool(self.pending or self._flights)

    async def call(self, invocation: Invocation) -> Any:
        """Run *invocation* now and return its result; raises ActionDenied, ActionTimeout, ActionFailed.

        A second call under the same key gets the first one's result, or waits for it, and does nothing again. When the
        first one is cancelled the second takes over; an action that is not interruptible goes on and both may join it.
        """
        key = invocation.key
        if key in self._spent:
            raise ActionFailed(f"action {invocation.action.name!r} may run once and did: {self._spent[key]}")
        while key not in self._results:
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(invocation)
            try:
                return await asyncio.shield(flight)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not flight.cancelled() or (task is not None and task.cancelling()):
                    raise
        return self._results[key]

    def cancel(self, doomed: Callable[[str | None], bool]) -> int:
        """End the acts that wait, ask for approval, or run and are interruptible, in every scope that is *doomed*.

        What a step called is not among them: it ends with the step.
        """
        ended = 0
        for invocation in [i for lane in self._lanes.values() for i in lane]:
            if invocation.doomed or not doomed(invocation.scope):
                continue
            if invocation.begun and not invocation.action.interruptible:
                continue
            invocation.doomed = True
            ended += 1
            if invocation.task is not None and invocation.task is not asyncio.current_task():
                invocation.cut = invocation.task.cancel()
        return ended

    async def close(self) -> None:
        """Cancel everything that still waits or runs."""
        self.closed = True
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
        task = invocation.task = asyncio.current_task()
        try:
            if not invocation.doomed:
                await self.call(invocation)
            else:
                self._count(invocation, "cancelled")
                self._note(invocation, asyncio.CancelledError(), None)
        except LoomError as failure:
            error = failure
            log.warning("%s of %s failed: %s", invocation.action.name, invocation.agent or "loom", failure)
        except asyncio.CancelledError:
            if not invocation.cut or task is None or task.cancelling() > 1:
                raise
        finally:
            invocation.task = None
            if invocation.cut and task is not None:
                task.uncancel()
        self.pending -= 1
        self._room.set()
        if invocation.done is not None:
            invocation.done(invocation, error)
        self.on_idle()

    async def _fly(self, invocation: Invocation) -> Any:
        """Run *invocation*, and let everybody who asks for the same key meanwhile know how it ended."""
        flight = self._flights[invocation.key] = asyncio.get_running_loop().create_future()
        protected: asyncio.Task[Any] | None = None
        try:
            self._check(invocation)
            await self._permit(invocation)
            if invocation.entry is not None:
                await invocation.entry.begin()
            if invocation.action.interruptible:
                result = await self._attempts(invocation)
            else:
                invocation.begun = True
                protected = asyncio.get_running_loop().create_task(self._attempts(invocation))
                self._tasks.add(protected)
                protected.add_done_callback(lambda task: self._arrived(invocation, flight, task))
                return await asyncio.shield(protected)
        except BaseException as error:
            if protected is None:
                if isinstance(error, asyncio.CancelledError):
                    self._count(invocation, "cancelled")
                self._land(invocation, flight, None, error)
            raise
        self._land(invocation, flight, result, None)
        return result

    def _arrived(self, invocation: Invocation, flight: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if isinstance(error, asyncio.CancelledError):
            self._count(invocation, "cancelled")
        self._land(invocation, flight, None if error is not None else task.result(), error)

    def _land(
        self, invocation: Invocation, flight: asyncio.Future[Any], result: Any, error: BaseException | None
    ) -> None:
        key = invocation.key
        del self._flights[key]
        if invocation.entry is not None:
            self._note(invocation, error, result)
        if error is None:
            flight.set_result(result)
            self._results[key] = result
            if len(self._results) > _REMEMBERED:
                self._results.popitem(last=False)
        elif isinstance(error, Exception):
            flight.set_exception(error)
            flight.exception()  # whoever waits gets it; nobody need wait
        else:
            flight.cancel()
        if error is not None and invocation.begun and invocation.action.at_most_once:
            self._spend(key, error)
        self.on_idle()

    def _spend(self, key: str, error: BaseException) -> None:
        self._spent[key] = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else "cancelled"
        if len(self._spent) > _REMEMBERED:
            self._spent.popitem(last=False)

    def _note(self, invocation: Invocation, error: BaseException | None, result: Any) -> None:
        """Tell the ledger how it ended; what the end of the runtime cuts off has not ended, nor what never began."""
        entry = invocation.entry
        cut_off = isinstance(error, asyncio.CancelledError) and self.closed and not invocation.doomed
        if entry is not None and not cut_off and not isinstance(error, StoreError | Closed):
            entry.end(*_ending(error), result)

    async def _attempts(self, invocation: Invocation) -> Any:
        action = invocation.action
        for attempt in range(1, action.attempts + 1):
            try:
                result = await self._attempt(invocation)
            except ActionFailed as error:
                if not error.retryable or attempt == action.attempts:
                    self._count(invocation, "failed")
                    raise
                await asyncio.sleep(
                    min(5.0, 0.1 * 2 ** (attempt - 1)) * (0.8 + 0.4 * self._chance.random.random())
                )
            except ActionTimeout:
                if not action.idempotent or attempt == action.attempts:
                    self._count(invocation, "timeout")
                    raise
            except ActionError:
                self._count(invocation, "failed")
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
        invocation.begun = True
        limit = asyncio.timeout(action.timeout)
        try:
            async with limit:
                result = action.function(**arguments)
                return await result if inspect.isawaitable(result) else result
        except Exception as error:  # a stranger's code: typed, counted, passed on
            if limit.expired() and isinstance(error, TimeoutError):
                raise ActionTimeout(
                    f"action {action.name!r} took longer than its timeout of {action.timeout} s"
                ) from error
            if isinstance(error, ActionError):
                raise
            raise ActionFailed(f"action {action.name!r} raised {type(error).__name__}: {error}") from error

    def _check(self, invocation: Invocation) -> None:
        try:
            from loom.actions.schema import check_arguments

            check_arguments(invocation.action.schema, invocation.arguments, invocation.action.name)
        except ActionFailed:
            self._count(invocation, "failed")
            raise

    async def _permit(self, invocation: Invocation) -> None:
        action = invocation.action
        approval = self.policy.get(action.name, action.approval)
        doubtful = invocation.entry is not None and invocation.entry.doubtful
        if approval is Approval.ALLOW and not doubtful:
            return
        if approval is not Approval.DENY and await self._approve(invocation):
            return
        reason = (
            "its policy is deny"
            if approval is Approval.DENY
            else "nobody approved it in time, or somebody said no"
        )
        if doubtful:
            reason = f"outcome unknown: it may have run before the runtime ended, and {reason}"
        self._count(invocation, "denied")
        self._observers.tell("denied", invocation.agent, action.name, reason)
        raise ActionDenied(
            f"action {action.name!r} is not allowed for {invocation.agent or 'this caller'}: {reason}"
        )

    def _count(self, invocation: Invocation, outcome: str) -> None:
        self.counts[outcome] += 1
        self._observers.tell("acted", invocation.action.name, invocation.key, outcome)


def _lasts(invocation: Invocation) -> bool:
    return invocation.entry is not None and invocation.entry.lasting


def _ending(error: BaseException | None) -> tuple[str, str]:
    """The status of an effect that ended by *error*, and its outcome in words."""
    if error is None:
        return "done", ""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", "its scope was cancelled, or the step that called it was interrupted"
    return ("denied" if isinstance(error, ActionDenied) else "failed"), f"{type(error).__name__}: {error}"
