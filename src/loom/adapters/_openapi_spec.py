"""What an OpenAPI 3 file says that can be done: its operations, with everything in it bounded. Pure.

The file may be a stranger's: it is JSON of bounded size, references lead to places inside it only and are followed a
bounded number of times, and what cannot be called is left out with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from loom.adapters._http_body import parse_json
from loom.errors import ConfigError, RemoteFailed

MAX_FILE = 8_388_608
MAX_NODES = 500_000
MAX_OPERATIONS = 1000
MAX_HOPS = 32
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){0,5}\Z")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})  # OpenAPI 3.1, 4.8.12.2


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how an action calls it, its name and place (path, query or header), and its schema."""

    argument: str
    name: str
    where: str
    required: bool
    schema: Mapping[str, Any]
    explode: bool = True
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What a request may carry: a media type, its schema, and whether it must be there."""

    media: str
    schema: Mapping[str, Any]
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for."""

    name: str
    method: str
    path: str
    text: str
    parameters: tuple[Parameter, ...]
    body: Body | None


class Document:
    """A parsed file whose references all lead inside it."""

    def __init__(self, content: bytes) -> None:
        """Raises ConfigError for what is no OpenAPI 3 in JSON, is too large, or refers to other files."""
        if len(content) > MAX_FILE:
            raise ConfigError(f"an OpenAPI file of {len(content):,} bytes is over the limit of {MAX_FILE:,}")
        try:
            root = parse_json(content)
        except RemoteFailed:
            raise ConfigError(
                "an OpenAPI file is read as JSON, and this is none; convert YAML to JSON first"
            ) from None
        version = root.get("openapi") if isinstance(root, dict) else None
        if not isinstance(version, str) or not version.startswith("3."):
            raise ConfigError(f"this file says openapi {version!r:.20}; version 3 is read")
        self.root: dict[str, Any] = root
        _check_references(root)

    def resolve(self, thing: Any) -> Any:
        """*thing*, or what its reference leads to; raises ConfigError for one that leads nowhere, or in a circle."""
        for _ in range(MAX_HOPS):
            if not isinstance(thing, dict) or not isinstance(thing.get("$ref"), str):
                return thing
            thing = self._at(thing["$ref"])
        raise ConfigError("a reference of the OpenAPI file leads in a circle")

    def server(self) -> str:
        """The first server's URL with the defaults of its variables; empty when there is none."""
        servers = self.root.get("servers")
        first = servers[0] if isinstance(servers, list) and servers else {}
        url = first.get("url", "") if isinstance(first, dict) else ""
        variables = first.get("variables", {}) if isinstance(first, dict) else {}
        for name, variable in (variables if isinstance(variables, dict) else {}).items():
            default = variable.get("default", "") if isinstance(variable, dict) else ""
            url = str(url).replace(f"{{{name}}}", str(default)[:200])
        return str(url)

    def _at(self, reference: str) -> Any:
        thing: Any = self.root
        for part in reference.removeprefix("#/").split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(thing, list) and key.isdecimal() and len(key) < 7 and int(key) < len(thing):
                thing = thing[int(key)]
            elif isinstance(thing, dict) and key in thing:
                thing = thing[key]
            else:
                raise ConfigError(f"reference {reference!r:.200} of the OpenAPI file leads nowhere")
        return thing


def _check_references(root: Any) -> None:
    left, seen = [root], 0
    while left:
        thing = left.pop()
        seen += 1
        if seen > MAX_NODES:
            raise ConfigError(f"an OpenAPI file of over {MAX_NODES:,} values is too large")
        if isinstance(thing, dict):
            reference = thing.get("$ref")
            if isinstance(reference, str) and not reference.startswith("#/"):
                raise ConfigError(
                    f"reference {reference!r:.200} leads out of the OpenAPI file; put it all into one"
                )
            left += thing.values()
        elif isinstance(thing, list):
            left += thing


def operations(document: Document) -> tuple[list[Operation], dict[str, str]]:
    """What can be called, and by name what cannot and why; raises ConfigError for two of one name, or too many."""
    found: dict[str, Operation] = {}
    left_out: dict[str, str] = {}
    paths = document.root.get("paths")
    for path, item in (paths if isinstance(paths, dict) else {}).items():
        item = document.resolve(item)
        for method in METHODS:
            if not isinstance(item, dict) or not isinstance(item.get(method), dict):
                continue
            name = _name(item[method].get("operationId"), method, path)
            if name in found or name in left_out:
                raise ConfigError(f"the OpenAPI file has two operations called {name!r}")
            if len(found) + len(left_out) >= MAX_OPERATIONS:
                raise ConfigError(f"the OpenAPI file has over {MAX_OPERATIONS} operations")
            try:
                found[name] = _operation(document, name, method, path, item)
            except ConfigError as error:
                left_out[name] = str(error)
    return list(found.values()), left_out


def _name(given: object, method: str, path: str) -> str:
    if isinstance(given, str) and _ID.match(given):
        return given
    return _NOT_NAME.sub("_", f"{method}{path if given is None else '_' + str(given)}").strip("_")[:100]


def _operation(document: Document, name: str, method: str, path: str, item: Mapping[str, Any]) -> Operation:
    told = item[method]
    named: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in [*_list(item.get("parameters")), *_list(told.get("parameters"))]:
        entry = document.resolve(entry)
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise ConfigError("a parameter has no name")
        if not (entry.get("in") == "header" and entry["name"].lower() in _IGNORED_HEADERS):
            named[entry["name"], str(entry.get("in"))] = entry
    parameters = tuple(p for e in named.values() if (p := _parameter(document, e, named)) is not None)
    if len({p.argument for p in parameters}) < len(parameters):
        raise ConfigError("two of its parameters have one name")
    holes = set(re.findall(r"\{([^{}]+)\}", path))
    if not path.startswith("/") or holes != {p.name for p in parameters if p.where == "path"}:
        raise ConfigError(f"path {path!r:.200} does not fit its parameters")
    text = str(told.get("summary") or told.get("description") or "")[:500]
    return Operation(name, method.upper(), path, text, parameters, _body(document, told.get("requestBody")))


def _parameter(
    document: Document, entry: dict[str, Any], named: Mapping[tuple[str, str], Any]
) -> Parameter | None:
    name, where = entry["name"], entry.get("in")
    required = entry.get("required") is True or where == "path"
    if where not in ("path", "query", "header"):
        if required:
            raise ConfigError(f"parameter {name!r:.80} belongs into {where!r:.20}, which is not done")
        return None
    twice = name == "body" or sum(n == name for n, _ in named) > 1
    style, content = entry.get("style"), entry.get("content")
    if content is not None or style not in (None, "form", "simple", "deepObject"):
        raise ConfigError(f"parameter {name!r:.80} has a style that is not known")
    schema = _schema(document, entry.get("schema"))
    explode = entry.get("explode") is not False if where == "query" else False
    return Parameter(
        f"{where}_{name}" if twice else name, name, where, required, schema, explode, style == "deepObject"
    )


def _body(document: Document, entry: Any) -> Body | None:
    entry = document.resolve(entry)
    if not isinstance(entry, dict):
        return None
    content = entry.get("content")
    offered = content if isinstance(content, dict) else {}
    for media, told in offered.items():
        plain = media.partition(";")[0].strip().lower()
        if plain == "application/json" or plain.endswith("+json"):
            schema = _schema(document, told.get("schema") if isinstance(told, dict) else None)
            return Body(plain, schema, entry.get("required") is True)
    if entry.get("required") is True:
        raise ConfigError(f"its body is none of JSON but {', '.join(offered) or 'nothing'}"[:200])
    return None


def _schema(document: Document, schema: Any) -> Mapping[str, Any]:
    schema = document.resolve(schema)
    return schema if isinstance(schema, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
