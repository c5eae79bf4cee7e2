"""What sources that follow one URL have in common in their configuration: the URL, its grants, its credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loom.adapters._egress import Rules, Target, parse_rules, parse_url
from loom.adapters._http_body import parse_json
from loom.adapters._secrets import Credentials
from loom.adapters.source import Out
from loom.errors import ConfigError, EgressRefused, InvalidEvent, PayloadTooLarge, RemoteFailed
from loom.event import Label

FORMATS = ("auto", "json", "text")
FOREIGN = Label(untrusted=True)
"""The label of what comes over a network: nobody here has said it."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One URL that a configuration names, which grants its host. *ca*: a file of certificates to trust instead."""

    target: Target
    rules: Rules
    credentials: Credentials = field(repr=False)
    ca: Path | None = None


def make_feed(
    url: str,
    schemes: tuple[str, ...],
    grants: Mapping[str, Any],
    *,
    home: Path | None = None,
    secrets: Mapping[str, Any] | None = None,
) -> Feed:
    """The feed at *url*; *grants* has ``allow`` and ``private``, *secrets* headers, query, ca. Raises ConfigError."""
    try:
        target = parse_url(url, schemes)
    except EgressRefused as error:
        raise ConfigError(f"url: {error}") from None
    known = secrets or {}
    own = f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
    rules = parse_rules([own, *(grants.get("allow") or ())], bool(grants.get("private")))
    ca = known.get("ca")
    trusted = None if ca is None else Path(home or ".", ca)
    return Feed(target, rules, Credentials(known.get("headers"), known.get("query"), home), trusted)


def check_format(word: str, allowed: tuple[str, ...] = FORMATS) -> str:
    """*word* if it is a format; raises ConfigError."""
    if word not in allowed:
        raise ConfigError(f"format = {word!r}: use {' or '.join(map(repr, allowed))}")
    return word


def check_range(name: str, value: float, low: float, high: float) -> float:
    """*value* if it lies between *low* and *high*; raises ConfigError."""
    if not low <= value <= high:
        raise ConfigError(f"{name} = {value!r}: use {low:g} to {high:g}")
    return value


async def tell(out: Out, counts: dict[str, int], topic: str, value: Any, **fields: Any) -> None:
    """Publish what a stranger said; what no event can carry is counted as unreadable, so that nobody trips twice."""
    try:
        await out(topic, value, label=FOREIGN, **fields)
    except (InvalidEvent, PayloadTooLarge):
        counts["unreadable"] += 1
    else:
        counts["messages"] += 1


def as_format(word: str, text: str) -> Any:
    """*text* as a payload: parsed for ``json``, parsed if it can be for ``auto``; raises RemoteFailed."""
    if word == "text":
        return text
    try:
        return parse_json(text)
    except RemoteFailed:
        if word == "json":
            raise
        return text
