"""An OpenAPI file as capabilities: one action for each operation, its arguments checked, its server under the rules."""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loom.actions import Action
from loom.adapters._egress import parse_rules, parse_url, refuse_host
from loom.adapters._http_body import read_body
from loom.adapters._http_client import Http
from loom.adapters._openapi_request import make_request
from loom.adapters._openapi_schema import outline
from loom.adapters._openapi_spec import MAX_FILE, Document, Operation, operations
from loom.adapters._secrets import Credentials
from loom.adapters.http_request import at_home, make_limits
from loom.errors import ConfigError, EgressRefused

Ask = Callable[..., Awaitable[dict[str, Any]]]


class OpenApi:
    """The capabilities ``NAME.OPERATION`` of a file; ``left_out`` says by name what cannot be called and why.

    They return what ``http_request`` returns, and raise ActionFailed for arguments that do not fit. What asks by GET or
    HEAD may be repeated, the rest may not.
    """

    def __init__(
        self, name: str, document: Document, http: Http, base: str, wanted: Sequence[str] = ("*",)
    ) -> None:
        self.name = name
        self._document, self._http, self._base = document, http, base
        found, self.left_out = operations(document)
        self._actions = [
            self._action(o) for o in found if any(fnmatch.fnmatchcase(o.name, w) for w in wanted)
        ]

    def actions(self) -> Iterable[Action]:
        """One for each operation."""
        return list(self._actions)

    async def close(self) -> None:
        """Nothing stays open between requests."""

    def _action(self, operation: Operation) -> Action:
        async def ask(**arguments: Any) -> dict[str, Any]:
            answer = await self._http.fetch(make_request(self._document, self._base, operation, arguments))
            shown = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
            kind, value = read_body(shown.get("content-type", ""), answer.body)
            return {"status": answer.status, "url": answer.url, "headers": shown, "kind": kind, "body": value}

        return Action(
            f"{self.name}.{operation.name}",
            ask,
            timeout=self._http.limits.timeout + 1,
            idempotent=operation.method in ("GET", "HEAD"),
            description=operation.text,
            schema=schema_of_operation(self._document, operation),
            untrusted=True,
        )


def schema_of_operation(document: Document, operation: Operation) -> Mapping[str, Any]:
    """The schema of an operation's arguments, as other actions have theirs."""
    properties = {p.argument: outline(document, p.schema) for p in operation.parameters}
    required = [p.argument for p in operation.parameters if p.required]
    if operation.body is not None:
        properties["body"] = outline(document, operation.body.schema)
        required += ["body"] if operation.body.required else []
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def openapi(
    name: str,
    home: Path | None = None,
    *,
    file: str,
    url: str | None = None,
    operations: list[str] | None = None,
    allow: list[str] | None = None,
    private: bool = False,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    timeout: float = 30.0,
    request_limit: int = 1_048_576,
    response_limit: int = 4_194_304,
    ca: str | None = None,
) -> OpenApi:
    """``use = "openapi"``: the operations of *file* (OpenAPI 3 in JSON) as ``NAME.operationId``.

    *url* is the server, whose host it grants; without it the file's own server is asked, if *allow* names its host.
    *operations* are patterns of names, all by default. The rest is as for ``http_request``. ConfigError, MissingExtra.
    """
    document = Document(_read(Path(home or ".", file)))
    base = url or document.server()
    try:
        target = parse_url(base)
    except EgressRefused as error:
        raise ConfigError(f"server {base!r:.200}: {error}; set url = ...") from None
    if "?" in base or "#" in base:
        raise ConfigError("the URL of a server has no query; use query = {...}")
    own = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    rules = parse_rules([*([own] if url else []), *(allow or ())], private)
    if why := refuse_host(target, rules):
        raise ConfigError(f"the file's server: {why}")
    limits = make_limits(timeout, request_limit, response_limit)
    http = Http(rules, Credentials(headers, query, home), limits, ca=at_home(home, ca))
    made = OpenApi(name, document, http, base, operations or ["*"])
    if not made.actions():
        why = "; ".join(f"{n}: {w}" for n, w in made.left_out.items())[:300]
        raise ConfigError(f"{file} has no operation that can be called. {why}")
    return made


def _read(path: Path) -> bytes:
    if path.suffix.lower() in (".yaml", ".yml"):
        raise ConfigError(f"{path} is YAML, which Loom has no reader for; convert it to JSON")
    try:
        with path.open("rb") as content:
            return content.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
