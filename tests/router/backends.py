"""Backends that do what a script says, and a guard, for tests of the router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from loom.clock import Chance
from loom.errors import BackendFailed, WorkerDied
from loom.event import PUBLIC, Confidentiality, Label
from loom.models import FREE, ModelReply, ModelRequest, Price, Usage
from loom.router.policy import Policy
from loom.router.router import Router
from loom.testing import VirtualClock

PRICE = Price(1_000.0, 2_000.0, 0.5)
"""Dear, so that sums are easy to read: 0.001 for each token read, 0.002 for each written, half for a call."""
SECRET = "hunter2-hunter2"


class FakeModel:
    """Answers by *script*, used up in order, the last one for good; each entry may be a list of several.

    A number: that many seconds pass. ``"hang"``: for ever. ``"die"``, ``"fail"``, ``"fatal"``, ``"busy"`` (429, 7 s),
    ``"crash"`` (a stranger's exception), ``"junk"`` (no ModelReply), ``"other"`` (another model answers). Any other
    text is the answer, a mapping too. A stream gives the answer's words, *pause* seconds before each; ``"break"`` as
    the last of a list fails after the first word.
    """

    def __init__(
        self,
        name: str,
        script: Iterable[Any] = ("hello there",),
        *,
        location: str = "local",
        clearance: Confidentiality | None = None,
        price: Price | None = FREE,
        quality: float | None = None,
        tasks: Iterable[str] = ("chat",),
        concurrency: int | None = None,
        pause: float = 0.0,
    ) -> None:
        self.name, self.location, self.price, self.quality = name, location, price, quality
        self.tasks = frozenset(tasks)
        self.model = "big-model"
        self.clearance = clearance
        self.concurrency = concurrency
        self.requests: list[ModelRequest] = []
        self.running = 0
        self.most = 0
        self.ended: list[str] = []
        self.closed = False
        self._script = list(script)
        self._pause = pause

    def _next(self, request: ModelRequest) -> list[Any]:
        self.requests.append(request)
        entry = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return list(entry) if isinstance(entry, list) else [entry]

    async def _until_said(self, entry: list[Any]) -> Any:
        """Do all of *entry* but its answer, which is returned."""
        for what in entry:
            match what:
                case int() | float():
                    await asyncio.sleep(what)
                case BaseException():
                    raise what
                case "hang":
                    await asyncio.get_running_loop().create_future()
                case "die":
                    raise WorkerDied(f"{self.name} died")
                case "fail":
                    raise BackendFailed(f"{self.name} failed", status=500)
                case "reset":
                    raise BackendFailed(f"{self.name} went away")
                case "fatal":
                    raise BackendFailed(f"{self.name} refused", status=400, retryable=False)
                case "busy":
                    raise BackendFailed(f"{self.name} is busy", status=429, retry_after=7.0)
                case "crash":
                    raise RuntimeError(f"{self.name} crashed")
                case _:
                    return what
        return "hello there"

    async def infer(self, request: ModelRequest) -> ModelReply:
        with self._work():
            said = await self._until_said(self._next(request))
            if said == "junk":
                return "junk"  # type: ignore[return-value]
            output = said if isinstance(said, list | Mapping) else {"text": _echo(said, request)}
            model = "small-model" if said == "other" else "big-model-2026"
            return ModelReply(output, self.name, 0.0, 1.0, usage=Usage(10, 5), model=model)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        with self._work():
            entry = self._next(request)
            breaks = entry[-1:] == ["break"]
            said = await self._until_said(entry[:-1] if breaks else entry)
            words = _echo(str(said), request).split(" ")
            for place, word in enumerate(words):
                if self._pause:
                    await asyncio.sleep(self._pause)
                yield {"text": word if place == len(words) - 1 else word + " "}
                if breaks:
                    raise BackendFailed(f"{self.name} broke off")
            yield {"text": "", "done": True, "tokens_in": 10, "tokens_out": 5, "model": "big-model"}

    def _work(self) -> _Work:
        return _Work(self)

    async def close(self) -> None:
        self.closed = True

    def statistics(self) -> Mapping[str, object]:
        return {"requests": len(self.requests)}


class _Work:
    def __init__(self, model: FakeModel) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.model.running += 1
        self.model.most = max(self.model.most, self.model.running)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.model.running -= 1
        self.model.ended.append("ok" if kind is None else kind.__name__)


def _echo(said: str, request: ModelRequest) -> str:
    """The answer; ``{input}`` in it is what was asked."""
    return said.replace("{input}", str(request.input))


def cloud(name: str = "cloud", script: Iterable[Any] = ("hello there",), **more: Any) -> FakeModel:
    """A backend far away that bills and is cleared for sensitive data."""
    more = {
        "location": "cloud",
        "clearance": Confidentiality.SENSITIVE,
        "price": PRICE,
        "quality": 0.9,
        **more,
    }
    return FakeModel(name, script, **more)


@dataclass
class Restoring:
    held: str = ""

    def feed(self, text: str) -> str:
        whole = self.held + text
        cut = whole.rfind("[")
        self.held = whole[cut:] if cut >= 0 and "]" not in whole[cut:] else ""
        return whole[: len(whole) - len(self.held)].replace("[X]", SECRET)

    def flush(self) -> str:
        held, self.held = self.held, ""
        return held


@dataclass
class Sent:
    text: object

    def facts(self) -> Mapping[str, Any]:
        return {"input": self.text}


@dataclass
class Outbound:
    request: ModelRequest
    sent: Sent

    def restore(self, output: Any) -> Any:
        if isinstance(output, str):
            return output.replace("[X]", SECRET)
        return {k: self.restore(v) for k, v in output.items()} if isinstance(output, Mapping) else output

    def restoring(self) -> Restoring:
        return Restoring()


@dataclass
class FakeGuard:
    """Hides SECRET as ``[X]``, and remembers the labels of threads."""

    labels: dict[str, Label] = field(default_factory=dict)
    saves: int = 0
    secrets: tuple[str, ...] = ()

    def label(self, thread: str | None, label: Label) -> Label:
        if thread is None:
            return label
        self.labels[thread] = self.labels.get(thread, PUBLIC).join(label)
        return self.labels[thread]

    def redactable(self, input: object, options: Mapping[str, object]) -> bool:
        return isinstance(input, str)

    def know(self, secrets: Iterable[str]) -> None:
        self.secrets = (*self.secrets, *secrets)

    def holds_secret(self, input: object, options: Mapping[str, object]) -> bool:
        return any(each in str(input) for each in self.secrets)

    def outbound(self, request: ModelRequest) -> Outbound:
        hidden = str(request.input).replace(SECRET, "[X]")
        return Outbound(replace(request, input=hidden), Sent(hidden))

    async def saved(self) -> None:
        self.saves += 1


class Told(list[tuple[str, Mapping[str, Any]]]):
    """What was told, to be looked through."""

    def __call__(self, topic: str, payload: Mapping[str, Any], request: ModelRequest) -> None:
        self.append((topic.removeprefix("loom.router."), payload))

    def of(self, topic: str) -> list[Mapping[str, Any]]:
        return [payload for name, payload in self if name == topic]


def new_router(*models: FakeModel, **more: Any) -> Router:
    """A router on the virtual clock of the running loop; its policy asks the cloud unless told otherwise."""
    clock: VirtualClock = asyncio.get_running_loop().clock  # type: ignore[attr-defined]
    more = {"policy": Policy(hybrid="off"), **more}
    return Router(models, clock=clock, chance=Chance(1), **more)


def leftovers(router: Router) -> list[str]:
    """What a router still holds that it should not when nothing is asked of it: slots, waiters, probes, tasks."""
    left = [
        f"{name}: {each.gate.running} run, {each.gate.waiting} wait, probing {each.breaker.probing}"
        for name, each in router._backends.items()
        if each.gate.running or each.gate.waiting or each.breaker.probing
    ]
    left += [f"{model.name} works" for model in (b.model for b in router._backends.values()) if model.running]  # type: ignore[attr-defined]
    current = asyncio.current_task()
    return left + [repr(task) for task in asyncio.all_tasks() if task is not current]
