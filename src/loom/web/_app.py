"""The routes, which are Starlette's, and the door before them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from loom.errors import LoomError
from loom.web.client import Client
from loom.web.door import Door, Ring, single
from loom.web.refusal import Refusal, refusal_of
from loom.web.replying import Answer, Reply, send_answer
from loom.web.serving import Endpoint, Receive, Scope, Send, Serving

log = logging.getLogger("loom.web.access")
PATIENCE_S = 30.0
"""Seconds in which a client takes a short answer."""
OPEN = ("/healthz",)
"""What is answered without a key."""
Page = tuple[str, Callable[[Any, str], Answer]]
"""A path to be read (GET), and what is written there: from the client that asks, and the rest of the path."""


class Application:
    """ASGI: who may come in, then the routes. *ring* gives the keys, at most so many seconds old."""

    def __init__(
        self,
        serving: Serving,
        endpoints: Iterable[Endpoint],
        pages: Iterable[Page],
        door: Door,
        ring: Callable[[float | None], Awaitable[Ring]],
    ) -> None:
        self._door = door
        self._ring = ring
        routes = [Route(each.path, _Post(serving, each), methods=["POST"]) for each in endpoints]
        routes += [Route(path, _Get(page), methods=["GET"]) for path, page in pages]
        self._paths = [each.path for each in routes]
        self._routes = Router(routes, redirect_slashes=False)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        seen = _Seen(send)
        try:
            headers = single(scope["headers"])
            origin = self._door.check_place(headers)
            seen.origin = origin
            if origin and scope["method"] == "OPTIONS":
                await _preflight(Reply(seen, PATIENCE_S, scope))
                return
            if scope["path"] not in OPEN:
                scope["state"]["client"] = await self._admit(headers)
            scope["app"] = self  # with it, the routes raise what they do not know
            await self._routes(scope, receive, seen)
        except (Refusal, HTTPException) as error:
            refusal = error if isinstance(error, Refusal) else self._refused(scope, error)
            more = {} if isinstance(error, Refusal) else error.headers
            await Reply(seen, PATIENCE_S, scope).refuse(refusal, is_anthropic(scope["path"]), more)
        finally:
            _note(scope, seen.status)

    async def _admit(self, headers: Mapping[bytes, bytes]) -> Client:
        try:
            return self._door.admit(headers, await self._ring(None))
        except Refusal as refusal:
            if refusal.code != "invalid_key":
                raise
        return self._door.admit(headers, await self._ring(0.0))  # it may have been made a moment ago

    def _refused(self, scope: Scope, error: HTTPException) -> Refusal:
        """What the routes refuse: a path that is none, a method that a path does not have."""
        path, method = scope["path"][:100], scope["method"][:20]
        if error.status_code != 404:
            code = {405: "method_not_allowed"}.get(error.status_code, "invalid_request")
            return Refusal(error.status_code, code, f"{path!r} is not for {method}; see /openapi.json")
        last = path.rstrip("/").rpartition("/")[2]
        near = [each for each in self._paths if last and each.endswith("/" + last)]
        hint = f"did you mean {near[0]!r}?" if near else "see /openapi.json"
        return Refusal(404, "not_found", f"there is nothing at {path!r}; {hint}")


class _Seen:
    """Passes messages on, and notes the status; adds what a page that is allowed needs to read the answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.origin = ""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            if self.origin:
                message["headers"] += [
                    (b"access-control-allow-origin", self.origin.encode("latin-1")),
                    (
                        b"access-control-expose-headers",
                        b"x-loom-decision, x-loom-route, x-loom-backend, x-loom-cost",
                    ),
                    (b"vary", b"origin"),
                ]
        await self._send(message)


class _Post:
    def __init__(self, serving: Serving, endpoint: Endpoint) -> None:
        self._serving, self._endpoint = serving, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serving(self._endpoint, scope, receive, send)


class _Get:
    def __init__(self, page: Callable[[Any, str], Answer]) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = str(scope.get("path_params", {}).get("rest", ""))
        reply = Reply(send, PATIENCE_S, scope)
        try:
            await send_answer(reply, self._page(scope["state"].get("client"), rest), {})
        except LoomError as error:
            await reply.refuse(refusal_of(error), is_anthropic(scope["path"]))


async def _preflight(reply: Reply) -> None:
    """What a page that is allowed asks before it asks."""
    await reply.begin(
        204,
        {
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": "*, authorization",
            "access-control-max-age": "600",
        },
    )
    await reply.end()


def is_anthropic(path: str) -> bool:
    """Whether errors at *path* have Anthropic's shape."""
    return path.startswith("/v1/messages")


def _note(scope: Scope, status: int) -> None:
    """One line of the access log: no query, no header, no body, and a path without control characters."""
    client = scope["state"].get("client")
    name = getattr(client, "name", "") or "-"
    path = ascii(scope["path"][:100])[1:-1]
    log.info("%s %s %s %d", name, scope["method"][:10], path, status)
