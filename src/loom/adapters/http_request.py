"""HTTP requests as capabilities: to hosts on an allow-list only, with limits, and with secrets that nobody sees."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loom.actions import Action, action
from loom.actions.action import ACTION
from loom.adapters._egress import parse_rules
from loom.adapters._headers import check_headers
from loom.adapters._http_body import read_body
from loom.adapters._http_client import METHODS, Http, Limits, Request
from loom.adapters._secrets import Credentials
from loom.errors import ActionFailed, ConfigError

Content = str | bytes | dict[str, Any] | list[Any] | None


class HttpRequest:
    """The capabilities ``NAME.request`` and, safe to repeat, ``NAME.get``.

    Both return ``{"status", "url", "headers", "kind", "body"}``: any status is an answer, *kind* says whether the body
    is ``"json"`` (parsed), ``"text"`` or ``"bytes"``. They raise EgressRefused, RemoteFailed and RemoteTooLarge.
    """

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http
        self._actions = [self._request(), self._get()]

    def actions(self) -> Iterable[Action]:
        """``NAME.request`` and ``NAME.get``."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing stays open between requests."""

    def _request(self) -> Action:
        @action(f"{self.name}.request", timeout=self._http.limits.timeout + 1, untrusted=True)
        async def request(
            url: str, method: str = "GET", headers: dict[str, str] | None = None, body: Content = None
        ) -> dict[str, Any]:
            """Ask *url*; a *body* that is a dict or a list is sent as JSON."""
            return await self._ask(url, method.upper(), headers or {}, body)

        made: Action = getattr(request, ACTION)
        return made

    def _get(self) -> Action:
        @action(f"{self.name}.get", timeout=self._http.limits.timeout + 1, idempotent=True, untrusted=True)
        async def get(url: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
            """Get *url*; safe to repeat."""
            return await self._ask(url, "GET", headers or {}, None)

        made: Action = getattr(get, ACTION)
        return made

    async def _ask(self, url: str, method: str, headers: Mapping[str, str], body: Content) -> dict[str, Any]:
        check_headers(headers, secrets=False)
        content, kind = encode(body)
        if kind and not any(name.lower() == "content-type" for name in headers):
            headers = {**headers, "content-type": kind}
        answer = await self._http.fetch(Request(url, method, headers, content))
        shown = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
        word, value = read_body(shown.get("content-type", ""), answer.body)
        return {"status": answer.status, "url": answer.url, "headers": shown, "kind": word, "body": value}


def encode(body: Content) -> tuple[bytes, str]:
    """The bytes of a body and its content type; raises ActionFailed for what JSON does not have."""
    if body is None:
        return b"", ""
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    try:
        return json.dumps(body, allow_nan=False).encode(), "application/json"
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionFailed(f"the body has no JSON form: {error}") from None


def http_request(
    name: str,
    home: Path | None = None,
    *,
    allow: list[str] | None = None,
    private: bool = False,
    methods: list[str] | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    timeout: float = 30.0,
    request_limit: int = 1_048_576,
    response_limit: int = 4_194_304,
    ca: str | None = None,
) -> HttpRequest:
    """``use = "http_request"``: *allow* lists hosts (nothing by default), *headers* and *query* go with each request.

    *timeout* is in seconds for a request with its redirects, the limits are in bytes, *ca* is a file of certificates.
    Raises ConfigError, MissingExtra.
    """
    words = tuple(word.upper() for word in methods or ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
    if unknown := set(words) - set(METHODS):
        raise ConfigError(f"methods: {min(unknown)!r} is none of {', '.join(METHODS)}")
    limits = make_limits(timeout, request_limit, response_limit)
    rules, known = parse_rules(allow or (), private), Credentials(headers, query, home)
    return HttpRequest(name, Http(rules, known, limits, methods=words, ca=at_home(home, ca)))


def make_limits(timeout: float, request: int, response: int) -> Limits:
    """Limits of a configuration; raises ConfigError for those that limit nothing."""
    if not 0 < timeout <= 3600 or not 0 < request <= 2**30 or not 0 < response <= 2**30:
        raise ConfigError(
            "timeout must be 0 to 3600 seconds, request_limit and response_limit 1 byte to 1 GiB"
        )
    return Limits(timeout, timeout, request, response)


def at_home(home: Path | None, path: str | None) -> Path | None:
    """*path*, seen from the project's folder."""
    return None if path is None else Path(home or ".", path)
