"""Sending an answer to a client, at the pace at which it reads."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from loom.errors import ModelFailed
from loom.web.call import Told
from loom.web.refusal import Refusal

JSON = "application/json"
LONG_S = 60.0
"""Seconds above which a client is told not to wait for another try: some would, for the hours until a new budget."""
_UNSAFE = re.compile(r"[^\x20-\x7e]")


class Answer(NamedTuple):
    """A whole body."""

    body: bytes
    content_type: str = JSON


def as_json(value: object) -> Answer:
    """*value* as a body."""
    return Answer(json_text(value).encode("utf-8", "replace"))


def json_text(value: object) -> str:
    """*value* as JSON; raises ModelFailed for what JSON does not have: a backend said it."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        raise ModelFailed("the backend gave what JSON does not have (NaN, infinity, an object)") from None


class Reply:
    """One answer on its way. Nothing is kept here: what a client does not read is not fetched from the model either.

    A client that takes nothing for *patience* seconds is cut off.
    """

    def __init__(
        self, send: Callable[[Any], Awaitable[None]], patience: float, scope: Mapping[str, Any]
    ) -> None:
        self._send = send
        self._patience = patience
        self._scope = scope
        self.status = 0

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The status line and the headers."""
        self.status = status
        pairs = [(name.encode(), _UNSAFE.sub("?", value).encode()) for name, value in headers.items()]
        await self._put({"type": "http.response.start", "status": status, "headers": pairs})

    async def begin_events(self, headers: Mapping[str, str], first: bytes) -> None:
        """The head of a stream of events, and its first one."""
        await self.begin(
            200, {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", **headers}
        )
        await self.send(first)

    async def send(self, data: bytes) -> None:
        """A part of the body; returns when there is room for the next."""
        await self._put({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """The last part."""
        await self._put({"type": "http.response.body", "body": data, "more_body": False})

    async def refuse(
        self, refusal: Refusal, anthropic: bool = False, more: Mapping[str, str] | None = None
    ) -> None:
        """Say why not, with *more* headers, unless something else has been said already."""
        if self.status:
            self._cut()
            return
        answer = as_json(refusal.anthropic() if anthropic else refusal.openai())
        await send_answer(self, answer, {**refusal_headers(refusal), **(more or {})}, refusal.status)

    async def _put(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except TimeoutError:
            self._cut()
            raise

    def _cut(self) -> None:
        """End the connection: its other side waits for something that does not come, or takes nothing."""
        cut = self._scope.get("state", {}).get("cut")
        if cut is not None:
            cut()


async def send_answer(reply: Reply, answer: Answer, headers: Mapping[str, str], status: int = 200) -> None:
    """A whole body with its headers."""
    about = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        "cache-control": "no-store",
    }
    await reply.begin(status, {**about, **headers})
    await reply.end(answer.body)


def headers_of(told: Told) -> dict[str, str]:
    """The decision, in headers; what is not known is not there."""
    found = {"x-loom-decision": told.decision, "x-loom-route": told.route, "x-loom-backend": told.backend}
    if told.cost is not None:
        found["x-loom-cost"] = f"{told.cost:.9f}".rstrip("0").rstrip(".")
    return {name: value for name, value in found.items() if value}


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """Retry-After, whether to try again by itself, and the decision that refused."""
    decision = refusal.decision
    found = {} if decision is None else headers_of(Told("", 0, "", decision.id, str(decision.route)))
    pause = refusal.retry_after
    if pause is not None and math.isfinite(pause):
        found["retry-after"] = str(max(1, math.ceil(pause)))
    if (pause is None and refusal.status == 429) or (pause is not None and pause > LONG_S):
        found["x-should-retry"] = (
            "false"  # what the vendors' clients obey; Retry-After alone they may sleep for
        )
    if refusal.status == 401:
        found["www-authenticate"] = "Bearer"
    return found


def decided(told: Told, item: object) -> Told:
    """*told* with what an item of a stream says of the decision, the backend and the cost."""
    if not isinstance(item, Mapping):
        return told
    backend = str(item.get("backend") or told.backend)
    cost = item.get("cost", told.cost)
    return replace(
        told,
        decision=str(item.get("decision") or told.decision),
        route=str(item.get("route") or told.route),
        backend=backend,
        cost=float(cost) if isinstance(cost, int | float) and math.isfinite(cost) else told.cost,
    )
