"""An executor on its own, and actions that write down what they do."""

import asyncio
from collections.abc import Callable
from typing import Any

from loom.actions import Action, Executor, Invocation, Registry, action
from loom.telemetry import Observer, Observers


class Told(Observer):
    """Keeps what the executor tells."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []
        self.refused: list[str] = []

    def acted(self, capability: str, key: str, outcome: str) -> None:
        self.ended.append((key, outcome))

    def denied(self, who: str, what: str, reason: str) -> None:
        self.refused.append(reason)


class World:
    """One executor; ``log`` holds what its actions did, ``answers`` what is said when an act asks for approval."""

    def __init__(self, **options: Any) -> None:
        self.log: list[Any] = []
        self.told = Told()
        self.answers: asyncio.Queue[bool] = asyncio.Queue()
        observers = Observers()
        observers.attach(self.told)
        self.executor = Executor(Registry(), observers, self._approve, **options)
        self.serial = 0

    async def _approve(self, invocation: Invocation) -> bool:
        self.log.append(("asked", invocation.key))
        return await self.answers.get()

    def make(self, function: Callable[..., Any], name: str = "do", **options: Any) -> Action:
        """An action around *function*."""
        made: Action = action(name, **options)(function).__loom_action__  # type: ignore[attr-defined]
        return made

    def slow(self, seconds: float = 1.0, name: str = "do", **options: Any) -> Action:
        """An action that says when it begins and when it ends."""

        async def work(n: int = 0) -> int:
            self.log.append(("begin", n))
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                self.log.append(("cut", n))
                raise
            self.log.append(("end", n))
            return n

        return self.make(work, name, **options)

    def order(
        self, made: Action, key: str = "", agent: str = "a", scope: str | None = None, **arguments: Any
    ) -> Invocation:
        """An invocation with a key of its own unless said."""
        self.serial += 1
        return Invocation(made, arguments, key or f"key{self.serial}", agent, scope)

    async def rest(self) -> None:
        """Return when nothing waits or runs."""
        while self.executor.busy:
            await asyncio.sleep(0.01)


def seconds() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()
