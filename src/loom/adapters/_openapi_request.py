"""The request that an operation makes of its arguments. Pure; no argument leaves the place that is meant for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from loom.adapters._headers import check_headers
from loom.adapters._http_client import Request
from loom.adapters._openapi_schema import Check
from loom.adapters._openapi_spec import Document, Operation, Parameter
from loom.errors import ActionFailed


def make_request(
    document: Document, base: str, operation: Operation, arguments: Mapping[str, Any]
) -> Request:
    """What *operation* below *base* asks with *arguments*; raises ActionFailed, EgressRefused naming the argument."""
    check, path = Check(document), operation.path
    query: list[tuple[str, str]] = []
    headers: dict[str, str] = {}
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if value is None and not parameter.required:
            continue
        if fault := check.fault(parameter.schema, value, parameter.argument):
            raise ActionFailed(f"{operation.name}: {fault}")
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", _segment(operation, parameter, value))
        elif parameter.where == "query":
            query += _pairs(parameter, value)
        else:
            headers[parameter.name] = _text(value)
    check_headers(headers, secrets=False)
    body = _body(check, operation, arguments)
    if body:
        headers["content-type"] = operation.body.media if operation.body else "application/json"
    url = base.rstrip("/") + path + ("?" + urlencode(query) if query else "")
    return Request(url, operation.method, {"accept": "application/json", **headers}, body)


def _body(check: Check, operation: Operation, arguments: Mapping[str, Any]) -> bytes:
    if operation.body is None or (not operation.body.required and "body" not in arguments):
        return b""
    value = arguments.get("body")
    if fault := check.fault(operation.body.schema, value, "body"):
        raise ActionFailed(f"{operation.name}: {fault}")
    try:
        return json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionFailed(f"{operation.name}: body has no JSON form: {error}") from None


def _segment(operation: Operation, parameter: Parameter, value: Any) -> str:
    """*value* as a part of a path that stays one part: no slash, and not the name of another place."""
    text = _text(value)
    if text in ("", ".", ".."):
        raise ActionFailed(f"{operation.name}: {parameter.argument} = {text!r} leads to another path")
    return quote(text, safe="")


def _pairs(parameter: Parameter, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list | tuple):
        if parameter.explode:
            yield from ((parameter.name, _text(each)) for each in value)
        else:
            yield parameter.name, ",".join(map(_text, value))
    elif isinstance(value, dict) and (parameter.explode or parameter.deep):
        for key, each in value.items():
            yield f"{parameter.name}[{key}]" if parameter.deep else str(key), _text(each)
    else:
        yield parameter.name, _text(value)


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    if isinstance(value, dict):
        return ",".join(f"{key},{_text(each)}" for key, each in value.items())
    return str(value)
