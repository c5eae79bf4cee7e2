"""Models from the catalog: a worker process and the model that stands for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loom.actions.registry import nearest
from loom.errors import ConfigError, MissingExtra
from loom.models import WorkerModel
from loom.models.catalog import BACKENDS, Backend, package_of

if TYPE_CHECKING:
    from loom.worker import Arena

IDLE = 600.0
"""Seconds without a request after which the worker of a local model sleeps, unless it is told otherwise."""


GRACE = 3.0
"""Seconds that a model has to notice that nobody waits any more, before its process is killed and loads anew."""

FILES = {"file", "folder", "labels", "model", "path", "tokenizer"}
"""Settings that are the path of a file or folder."""


def local_model(
    use: str,
    name: str | None = None,
    *,
    arenas: Sequence[Arena] = (),
    memory_limit: int | None = None,
    idle: float | None = IDLE,
    **config: Any,
) -> WorkerModel:
    """The backend *use* of the catalog (``loom models`` lists them), in a worker process of its own.

    The process starts with the first request, or with ``warm()``, and ends after *idle* seconds without one (None:
    never). It may use *memory_limit* bytes of private memory (None: what the catalog says, 0: any amount). *config* is
    the backend's. Raises ConfigError for a name or a setting that does not exist; the first request raises
    MissingExtra for what is not installed.
    """
    backend = find(use)
    _check_settings(backend, config)
    limit = backend.memory_limit if memory_limit is None else memory_limit
    workers = _workers()
    limits = workers.WorkerLimits(cancel_grace=GRACE, idle=_checked(idle))
    options = {"memory_limit": limit, "arenas": tuple(arenas), "limits": limits}
    worker = workers.Worker(name or use, backend.spec, config, **options)
    return WorkerModel(name or use, worker, backend.tasks, backend.streams, backend.features)


def _workers() -> Any:
    """The package of worker processes, which only now is needed; raises MissingExtra."""
    try:
        import loom.worker
    except ImportError as error:
        raise MissingExtra("worker", error.name or "loom.worker") from error
    return loom.worker


def find(use: str) -> Backend:
    """The row of the catalog called *use*; raises ConfigError with the nearest name."""
    backend = BACKENDS.get(use)
    if backend is None:
        near = nearest(use, sorted(BACKENDS))
        hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(BACKENDS))}"
        raise ConfigError(f"no model {use!r} in the catalog; {hint}")
    return backend


def factory(use: str) -> Callable[..., WorkerModel]:
    """What a project file calls for `use = "NAME"`: its parameters are the backend's settings.

    Files are looked for from the folder of the project, *home*.
    """
    backend = find(use)
    made = partial(local_model, use)
    kind = inspect.Parameter.KEYWORD_ONLY
    types: dict[str, Any] = {
        "name": str,
        "home": Path,
        "arenas": Any,
        "memory_limit": int,
        "idle": float,
        **backend.settings,
    }
    needed = ("name", *backend.needs)
    parameters = [
        inspect.Parameter(
            key, kind, default=inspect.Parameter.empty if key in needed else None, annotation=each
        )
        for key, each in types.items()
    ]

    def make(home: Path | None = None, **values: Any) -> WorkerModel:
        _check_packages(backend)
        if home is not None:
            values |= {key: str(home / Path(values[key]).expanduser()) for key in FILES & values.keys()}
        return made(**values)

    make.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    make.__annotations__ = types
    return make


def _check_settings(backend: Backend, config: dict[str, Any]) -> None:
    for key in config:
        if key not in backend.settings:
            near = nearest(key, sorted(backend.settings))
            known = ", ".join(backend.settings) or "none"
            hint = f"did you mean {near}?" if near else f"it has {known}"
            raise ConfigError(f"model {backend.name!r} has no setting {key!r}; {hint}")
    if missing := [key for key in backend.needs if key not in config]:
        raise ConfigError(f"model {backend.name!r} needs {missing[0]} = ...; it has no model of its own")


def _checked(idle: float | None) -> float | None:
    """*idle* as the worker takes it; raises ConfigError for what is no duration."""
    if idle is None or idle == inf:
        return None
    if not idle > 0:
        raise ConfigError(f"idle is more than 0 seconds, or inf for a model that never sleeps; not {idle!r}")
    return idle


def _check_packages(backend: Backend) -> None:
    """Raise MissingExtra if a package is not there whose code is needed; the worker looks for files of models."""
    from importlib.metadata import PackageNotFoundError, version

    for requirement in backend.packages:
        if requirement not in backend.bare:
            package = package_of(requirement)
            try:
                version(package)
            except PackageNotFoundError:
                raise MissingExtra(backend.extra, package) from None
