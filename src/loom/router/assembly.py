"""A router with everything it works with, made of what a runtime has and what its project file says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from loom.clock import Chance, Clock
from loom.models import Model
from loom.privacy import Guard, make_detectors
from loom.router import _policy_check, _weighing  # noqa: F401 - imported late elsewhere, on the loop
from loom.router._policy_check import leads_away
from loom.router.budget import Budgets
from loom.router.cache import Cache, Semantic
from loom.router.embedding import Embedder
from loom.router.keep import Keep
from loom.router.parties import Tell
from loom.router.router import Router
from loom.router.rules import Rule
from loom.router.settings import Settings

USUAL = Settings()


class Surroundings(NamedTuple):
    """What a runtime lends its router; *keep* outlives it."""

    clock: Clock
    chance: Chance
    tell: Tell
    keep: Keep | None = None


class Routing(NamedTuple):
    """A router and what outlives it: opened before it is asked and closed after."""

    router: Router
    learner: Any = None
    budgets: Budgets | None = None
    keep: Keep | None = None

    async def open(self) -> None:
        """Go on from what was learnt before."""
        if self.learner is not None and self.keep is not None:
            await self.learner.open(self.keep)

    async def close(self) -> None:
        """Save what was learnt and spent; its models are left. Raises what the Keep raises."""
        for each in (self.budgets, self.learner):
            if each is not None:
                await each.close()


def make_router(models: Iterable[Model], around: Surroundings, settings: Settings = USUAL) -> Routing:
    """The router of a runtime; raises ConfigError, MissingExtra for a detector or a file that is not there."""
    models = list(models)
    learner = _learner(around) if settings.learned else None
    counted = settings.limits or settings.counted
    budgets = Budgets(settings.limits, around.keep, offset=settings.offset) if counted else None
    rules, signals = _taken_over(settings, models, lambda: router)
    router = Router(
        models,
        policy=replace(settings.policy, rules=(*settings.policy.rules, *rules)).check(),
        clock=around.clock,
        tell=around.tell,
        budgets=budgets,
        cache=_cache(settings, around.clock, lambda: router),
        guard=Guard(make_detectors(settings.detectors), keep=around.keep),
        learner=learner,
        chance=around.chance,
        signals=signals,
    )
    places = {each.name: {"location": each.location} for each in models}
    staying = tuple(each for each in rules if not leads_away(each, places))
    for name, profile in settings.profiles.items():
        more = rules if profile.remote else staying
        router.profiles[name] = replace(profile, rules=(*profile.rules, *more))
    return Routing(router, learner, budgets, around.keep)


def _cache(settings: Settings, clock: Clock, router: Callable[[], Router]) -> Cache | None:
    """The cache, where there is one; by meaning with the local model for ``embed`` of the *router* to come."""
    if settings.cache is None:
        return None
    plain = {key: value for key, value in settings.cache.items() if key not in ("semantic", "threshold")}
    if not settings.cache.get("semantic"):
        return Cache(clock, **plain)
    return Cache(clock, **plain, semantic=Semantic(_embed(router), settings.cache.get("threshold", 0.95)))


def _embed(router: Callable[[], Router]) -> Callable[[Sequence[str]], Any]:
    """Vectors by a local model of the *router* to come."""

    async def embed(texts: Sequence[str]) -> list[list[float]]:
        return await Embedder(router())(texts)

    return embed


def _taken_over(
    settings: Settings, models: Iterable[Model], router: Callable[[], Router]
) -> tuple[tuple[Rule, ...], Any]:
    """The rules of the policy that is taken over from another router, and what finds the signal they look at."""
    wanted = settings.imported
    if not wanted:
        return (), None
    from loom.router.vllm_import.policy import ImportedSignals, load_policy, rules_of

    imported = load_policy(settings.folder / wanted["file"], wanted.get("recipe", ""))
    able = any("embed" in each.tasks and each.location == "local" for each in models)
    embed = _embed(router) if able and wanted.get("embed", True) else None
    return rules_of(imported, wanted.get("backends", {})), ImportedSignals(imported, embed)


def _learner(around: Surroundings) -> Any:
    from loom.router.learned import Learner

    return Learner(chance=around.chance)
