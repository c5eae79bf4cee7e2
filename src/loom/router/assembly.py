"""A router with everything it works with, made of what a runtime has and what its project file says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from loom.clock import Chance, Clock
from loom.models import Model
from loom.privacy import Guard, make_detectors
from loom.router.budget import Budgets
from loom.router.cache import Cache
from loom.router.keep import Keep
from loom.router.parties import Tell
from loom.router.router import Router
from loom.router.settings import Settings

USUAL = Settings()


class Surroundings(NamedTuple):
    """What a runtime lends its router; *keep* outlives it."""

    clock: Clock
    chance: Chance
    tell: Tell
    keep: Keep | None = None


class Routing(NamedTuple):
    """A router and what it learns with, which is opened before it is asked and closed after."""

    router: Router
    learner: Any = None
    keep: Keep | None = None

    async def open(self) -> None:
        """Go on from what was learnt before."""
        if self.learner is not None and self.keep is not None:
            await self.learner.open(self.keep)

    async def close(self) -> None:
        """Save what was learnt. Raises what the Keep raises."""
        if self.learner is not None:
            await self.learner.close()


def make_router(models: Iterable[Model], around: Surroundings, settings: Settings = USUAL) -> Routing:
    """The router of a runtime; raises ConfigError, MissingExtra for a detector or a file that is not there."""
    models = list(models)
    learner = _learner(around) if settings.learned else None
    router = Router(
        models,
        policy=settings.policy,
        clock=around.clock,
        tell=around.tell,
        budgets=Budgets(settings.limits, around.keep) if settings.limits else None,
        cache=None if settings.cache is None else Cache(around.clock, **settings.cache),
        guard=Guard(make_detectors(settings.detectors), secrets=_secrets(models), keep=around.keep),
        learner=learner,
        chance=around.chance,
    )
    router.profiles.update(settings.profiles)
    return Routing(router, learner, around.keep)


def _learner(around: Surroundings) -> Any:
    from loom.router.learned import Learner

    return Learner(chance=around.chance)


def _secrets(models: Iterable[Any]) -> list[str]:
    """The keys that backends are reached with: they are hidden in whatever leaves."""
    found: Iterable[Mapping[str, Any] | str] = (
        each for model in models for each in getattr(model, "secrets", ())
    )
    return [each for each in found if isinstance(each, str) and len(each.strip()) >= 8]
