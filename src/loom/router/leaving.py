"""A request as one backend may see it: whether it has to be redacted, and the last check of all."""

from __future__ import annotations

import asyncio

from loom.errors import BackendTimeout, NotRedacted, RouteRefused
from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.router.backend import Backend
from loom.router.call import Call
from loom.router.parties import Guard, Outbound


async def leaving(call: Call, backend: Backend, until: float | None) -> Outbound | None:
    """The request of *call*, redacted for *backend*; None: it gets it as it is. *until*: when its time is over.

    Raises RouteRefused and NotRedacted for what may not leave, BackendTimeout when redaction takes all of the time.
    """
    if backend.here:
        return None
    if until is None:
        return await _redacted(call, backend)
    try:
        async with asyncio.timeout_at(until):
            return await _redacted(call, backend)
    except TimeoutError:
        raise BackendTimeout(
            f"{backend.name!r} was not asked: redaction took all of the request's time; give it more, or ask a local "
            "backend"
        ) from None


async def redactable(guard: Guard, request: ModelRequest) -> bool:
    """Whether *guard* can redact *request*; others have their turns while it looks, where it lets them."""
    in_turns = getattr(guard, "redactable_in_turns", None)
    if in_turns is None:
        return guard.redactable(request.input, request.options)
    return bool(await in_turns(request.input, request.options))


async def _redacted(call: Call, backend: Backend) -> Outbound | None:
    guard, request = call.parties.guard, call.request
    verdict = call.decision.verdict(backend.name)
    wanted = (
        _label(call).confidentiality > Confidentiality.PUBLIC
        or (verdict is not None and verdict.redact)
        or (guard is not None and await _holds_secret(guard, request))
        or _label(call).confidentiality > Confidentiality.PUBLIC
    )
    outbound: Outbound | None = None
    if wanted and guard is not None:
        outbound = await _outbound(guard, request)
    elif wanted and request.label.confidentiality == Confidentiality.PUBLIC:
        raise NotRedacted(
            f"{backend.name!r} gets redacted requests only, and there is no guard to redact them"
        )
    last_check(call, backend, outbound is not None)
    return outbound


def last_check(call: Call, backend: Backend, redacted: bool) -> None:
    """Raise RouteRefused or NotRedacted for what may not leave for *backend* now; nothing is waited for after it."""
    if not call.leaves(call.request):  # it was decided, and stood in line, when something might
        raise RouteRefused(f"{backend.name!r} is not asked: the policy lets nothing leave this device now")
    backend.may_see(_label(call), redacted)


def _label(call: Call) -> Label:
    """The label of the request now: its thread may have seen more while it waited, or was redacted."""
    guard, request = call.parties.guard, call.request
    return request.label if guard is None else guard.label(request.thread, request.label)


async def _holds_secret(guard: Guard, request: ModelRequest) -> bool:
    in_turns = getattr(guard, "holds_secret_in_turns", None)
    if in_turns is None:
        return guard.holds_secret(request.input, request.options)
    return bool(await in_turns(request.input, request.options))


async def _outbound(guard: Guard, request: ModelRequest) -> Outbound:
    in_turns = getattr(guard, "outbound_in_turns", None)
    if in_turns is None:
        return guard.outbound(request)
    outbound: Outbound = await in_turns(request)
    return outbound
