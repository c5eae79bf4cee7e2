"""The runtime as the gateway sees it: which models there are, and asking them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any, NamedTuple

from loom.models import ModelReply, ModelRequest
from loom.web.client import Client
from loom.web.refusal import Refusal
from loom.web.wishes import PROFILE, ROUTES


class Named(NamedTuple):
    """A model by the name that requests give it: where it runs, and what it can do."""

    name: str
    location: str
    tasks: tuple[str, ...]


class Upstream:
    """The models of one Loom."""

    def __init__(self, loom: Any) -> None:
        self._loom = loom

    def named(self) -> list[Named]:
        """Every name that a request may give: the routes, the profiles, the backends."""
        models = [Named(each.name, each.location, tuple(sorted(each.tasks))) for each in self._loom.models]
        found = [Named(route, route, _tasks(models, route)) for route in ROUTES]
        found += [Named(PROFILE + each, "auto", _tasks(models, "auto")) for each in self._profiles()]
        return [each for each in found if each.tasks] + models

    def check(self, model: str, client: Client) -> None:
        """Raise Refusal (404) when no model is called *model*; the nearest that *client* may use is offered."""
        known = [each.name for each in self.named() if client.may_use(each.name)]
        if model in known:
            return
        if not any(model == each.name for each in self.named()):
            near = get_close_matches(model, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known) or 'none'}"
            raise Refusal(404, "model_not_found", f"there is no model {model[:80]!r}; {hint}", param="model")
        client.check_model(model)

    def check_profile(self, profile: str, client: Client) -> None:
        """Raise Refusal (403) when *profile* allows more than the policy that is in force, and no key names it."""
        router = self._loom.router
        if not profile or PROFILE + profile in client.models or profile not in router.profiles:
            return  # one that is not there is the router's to refuse
        what = looser(router.profiles[profile], router.policy)
        if what:
            raise Refusal(
                403,
                "not_allowed",
                f"profile {profile!r} {what}, which the policy here does not; only a key made with "
                f"--models {PROFILE}{profile} may use it",
                param="x-loom-profile",
            )

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The whole answer; raises what the router raises."""
        reply: ModelReply = await self._loom.infer(request)
        return reply

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Any, None]:
        """The answer in pieces; closing it ends the model's work."""
        async with aclosing(self._loom.router.stream(request)) as items:
            async for item in items:
                yield item

    def _profiles(self) -> Iterable[str]:
        return sorted(getattr(self._loom.router, "profiles", ()))


def looser(policy: Any, base: Any) -> str:
    """What *policy* lets happen that *base* does not; empty when it is as strict."""
    if policy.remote and not base.remote:
        return "lets data leave this device"
    if base.redact == "always" and policy.redact != "always":
        return "lets data leave as it is"
    if base.private_local and not policy.private_local:
        return "lets private data leave"
    if base.max_cost is not None and (policy.max_cost is None or policy.max_cost > base.max_cost):
        return f"may cost more than {base.max_cost:g}"
    longest, longer = base.max_latency_ms, policy.max_latency_ms
    if longest is not None and (longer is None or longer > longest):
        return f"may take longer than {longest / 1000:g} s"
    if policy.rules[: len(base.rules)] != base.rules:  # the first that holds decides
        return "puts rules aside"
    return ""


def _tasks(models: Iterable[Named], route: str) -> tuple[str, ...]:
    here = [each for each in models if route == "auto" or (each.location == "local") == (route == "local")]
    return tuple(sorted({task for each in here for task in each.tasks}))
