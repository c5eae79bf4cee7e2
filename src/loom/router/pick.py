"""The words for a task that nobody can do, and the simplest choice there is."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from loom.errors import NoBackend
from loom.models import Model
from loom.models.catalog import advice
from loom.router.facts import streams_of


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
        raise NoBackend(f"task {task!r}: only {places} can do it, and a local backend is wanted")
    raise NoBackend(unknown(task, models, stream))


def unknown(task: str, models: Sequence[Model], stream: bool = False) -> str:
    """Why none of *models* can do *task*, what they can do, and what would bring it."""
    if stream and (whole := [model.name for model in models if task in model.tasks]):
        return f"{', '.join(whole)} can do {task!r}, but not in pieces; use ask() instead of stream()"
    known = sorted({name for model in models for name in model.tasks})
    near = get_close_matches(task, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else advice(task)
    return f"no model can do {task!r} (added: {', '.join(known) or 'none'}){hint}"
