"""Cascades: the first backend answers, and the next is asked only when that answer is not sure enough."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from loom.models import Model, ModelReply
from loom.router import single
from loom.router.backend import Backend
from loom.router.call import Call

log = logging.getLogger("loom.router")


async def ask(call: Call, backends: Sequence[Backend]) -> ModelReply:
    """The first one's answer if it is sure, else that of those after it, else the first one's all the same.

    Chen, Zaharia and Zou, "FrugalGPT" (2023). Cost and times of the reply are those of both. Raises what the last one
    raised when none has an answer.
    """
    answer = await _first(call, backends)
    if answer is None:
        return await single.ask(call, backends[1:])
    if len(backends) == 1 or _sure(call, backends[0].model, answer):
        return answer
    call.escalated = [answer.backend]
    try:
        return await single.ask(call, backends[1:])
    except Exception:  # noqa: BLE001 - counted in the attempts and told; an unsure answer is better than none
        call.stood = True
        return call.renewed(answer)


async def stream(call: Call, backends: Sequence[Backend]) -> AsyncGenerator[Any, None]:
    """The first one's answer, whole, if it is sure; else the items of those after it."""
    answer = await _first(call, backends)
    sure = answer is not None and (len(backends) == 1 or _sure(call, backends[0].model, answer))
    if answer is not None and sure:
        for item in pieces(call, answer):
            yield item
        return
    if answer is not None:
        call.escalated = [answer.backend]
    begun = False
    try:
        async with aclosing(single.stream(call, backends[1:])) as items:
            async for item in items:
                begun = True
                yield item
    except Exception:  # counted in the attempts; before its first piece the unsure answer is better than none
        if begun or answer is None:
            raise
        call.stood = True
        for item in pieces(call, call.renewed(answer)):
            yield item


async def _first(call: Call, backends: Sequence[Backend]) -> ModelReply | None:
    """The answer of the first one, None when it failed and others may help."""
    try:
        return await single.attempt(call, backends, 0).infer()
    except Exception as error:  # a model is a stranger's code; goes_on() says who may still help
        if len(backends) == 1 or not call.goes_on(error):
            single.explained(call, error)
            raise
        return None


def _sure(call: Call, model: Model, answer: ModelReply) -> bool:
    call.confidence = confidence_of(model, answer.output)
    return call.confidence is not None and call.confidence >= call.policy.enough


def confidence_of(model: Model, output: object) -> float | None:
    """How sure an answer is, 0..1: what the model's own ``confidence(output)`` says, else what stands in *output*.

    That is its "confidence", or of a list of labels with scores the distance of the best two. None: nobody knows.
    """
    own = getattr(model, "confidence", None)
    if callable(own):
        return _own(own, output)
    if isinstance(output, Mapping):
        return _share(output.get("confidence"))
    if isinstance(output, list | tuple):
        return _margin(output)
    return None


def _own(confidence: Callable[[object], object], output: object) -> float | None:
    """What the model's own function says; one that fails says nothing, and the answer is there all the same."""
    try:
        return _share(confidence(output))
    except Exception as error:  # noqa: BLE001 - a stranger's function: told in the log, and the next one is asked
        log.warning(
            "a model's confidence(output) failed (%s): nobody knows how sure it is", type(error).__name__
        )
        return None


def _margin(labels: Sequence[Any]) -> float | None:
    scores = [_share(each.get("score")) for each in labels if isinstance(each, Mapping)]
    known = sorted((score for score in scores if score is not None), reverse=True)
    if not known or len(known) < len(labels):
        return None
    return known[0] - known[1] if len(known) > 1 else known[0]


def _share(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if good else None  # type: ignore[arg-type]  # a number


def pieces(call: Call, reply: ModelReply) -> list[dict[str, Any]]:
    """A whole answer as the items of a stream."""
    output = reply.output
    figures = (
        {name: value for name, value in output.items() if name != "text"}
        if isinstance(output, Mapping)
        else {}
    )
    text = output.get("text", "") if isinstance(output, Mapping) else str(output)
    signature = call.signature(reply.backend)
    last = {"text": "", "done": True, **figures, **signature, "cost": call.cost}
    return [*([{"text": text, **signature}] if text else []), last]
