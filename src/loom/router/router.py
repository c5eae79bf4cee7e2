"""The first router: any local backend that can do the task, in the order they were given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from loom.errors import ConfigError, NoBackend
from loom.models import Model, ModelReply, ModelRequest


def pick(task: str, models: Sequence[Model]) -> Model:
    """The backend for *task*: the first local one that can do it. Raises NoBackend naming what there is."""
    able = [model for model in models if task in model.tasks]
    for model in able:
        if model.location == "local":
            return model
    if able:
        places = ", ".join(f"{model.name} ({model.location})" for model in able)
        raise NoBackend(f"task {task!r}: only {places} can do it, and this router uses local backends")
    known = sorted({name for model in models for name in model.tasks})
    near = get_close_matches(task, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise NoBackend(f"no model can do {task!r}{hint} (installed: {', '.join(known) or 'none'})")


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

    async def close(self) -> None:
        """End every backend."""
        for model in self._models:
            await model.close()

    def statistics(self) -> Mapping[str, object]:
        """Snapshots of the backends by name."""
        return {model.name: model.statistics() for model in self._models}
