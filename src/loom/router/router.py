"""The first router: any local backend that can do the task, in the order they were given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any

from loom.errors import ConfigError, NoBackend
from loom.models import Model, ModelReply, ModelRequest
from loom.models.catalog import advice


def pick(task: str, models: Sequence[Model], stream: bool = False) -> Model:
    """The backend for *task*: the first local one that can do it, in pieces if *stream*.

    Raises NoBackend naming what there is, or what would bring it.
    """
    able = [model for model in models if task in (streams_of(model) if stream else model.tasks)]
    for model in able:
        if model.location == "local":
            return model
    if able:
        places = ", ".join(f"{model.name} ({model.location})" for model in able)
        raise NoBackend(f"task {task!r}: only {places} can do it, and this router uses local backends")
    if stream and (whole := [model.name for model in models if task in model.tasks]):
        raise NoBackend(
            f"{', '.join(whole)} can do {task!r}, but not in pieces; use ask() instead of stream()"
        )
    known = sorted({name for model in models for name in model.tasks})
    near = get_close_matches(task, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else advice(task)
    raise NoBackend(f"no model can do {task!r} (added: {', '.join(known) or 'none'}){hint}")


def streams_of(model: Model) -> frozenset[str]:
    """The tasks that *model* can do in pieces; a model without `stream` has none."""
    found: frozenset[str] = getattr(
        model, "streams", model.tasks if hasattr(model, "stream") else frozenset()
    )
    return found


class Router:
    """Asks the backend that `pick` names; owns the models and closes them."""

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._models: list[Model] = []
        for model in models:
            self.add(model)

    def add(self, model: Model) -> None:
        """One more backend; raises ConfigError when its name is taken."""
        if any(each.name == model.name for each in self._models):
            raise ConfigError(f"there is a model {model.name!r} already; give one of them another name")
        self._models.append(model)

    @property
    def tasks(self) -> frozenset[str]:
        """What can be asked."""
        return frozenset(task for model in self._models for task in model.tasks)

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The reply of the chosen backend, with its times; raises NoBackend and what the backend raises."""
        return await pick(request.task, self._models).infer(request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The pieces of the chosen backend's answer; raises like ``ask``."""
        async with aclosing(pick(request.task, self._models, True).stream(request)) as items:
            async for item in items:
                yield item

    async def warm(self, task: str) -> None:
        """Have the backend that would be asked for *task* load its model; raises NoBackend and what it raises."""
        warm = getattr(pick(task, self._models), "warm", None)
        if warm is not None:
            await warm()

    async def close(self) -> None:
        """End every backend."""
        for model in self._models:
            await model.close()

    def statistics(self) -> Mapping[str, object]:
        """Snapshots of the backends by name."""
        return {model.name: model.statistics() for model in self._models}
