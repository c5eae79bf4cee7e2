"""Settings that every remote backend has, checked: where it is, what it may see, what it costs, what it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loom.adapters._egress import Target, classify, literal, parse_rules
from loom.adapters._exchange import Bounds
from loom.adapters._feed import check_range, make_feed
from loom.adapters._model_errors import Peer
from loom.adapters._model_http import ModelHttp, Origin
from loom.adapters._remote_model import About
from loom.adapters._secrets import read_secret
from loom.errors import ConfigError, MissingExtra
from loom.event import Confidentiality
from loom.models import Price

LOCATIONS = ("cloud", "edge", "local")
PRICES = {"in": "million_in", "out": "million_out", "call": "call", "second": "second"}
MOST_CONCURRENCY = 1024


@dataclass(frozen=True, slots=True)
class Reach:
    """How a server is reached: *url* with the path that requests begin with, and what it is shown.

    *key* is ``env:NAME`` or ``file:PATH`` and goes into *header* behind *scheme*; *headers* go with each request.
    """

    url: str
    key: str = ""
    header: str = "authorization"
    scheme: str = "Bearer "
    headers: Mapping[str, str] | None = None
    allow: list[str] | None = None
    private: bool = False
    idle: float = 60.0
    ca: str | None = None


def reach(about: About, home: Path | None, how: Reach) -> tuple[ModelHttp, Peer]:
    """What sends to the server of *about*, and how errors call it; raises ConfigError, MissingExtra."""
    secret = _key(how.key, home)
    headers = dict(how.headers or {})
    if secret:
        headers[how.header] = how.scheme + how.key
    secrets = {"headers": headers, "ca": how.ca}
    parse_rules(how.allow or ())  # a text in place of a list is refused there
    grants = {"allow": how.allow, "private": how.private}
    feed = make_feed(how.url, ("http", "https"), grants, home=home, secrets=secrets)
    if "?" in feed.target.path:
        raise ConfigError("url: leave out what follows the '?'; requests are made of it by adding paths")
    if feed.credentials.known and not _safe(feed.target, how.private):
        raise ConfigError(
            f"url: {feed.target} would send the key as plain text; use https, or private = true for a machine of yours"
        )
    here = about.location == "local"
    if here and not _is_here(feed.target):
        raise ConfigError(
            f"location = 'local', but {feed.target} is not on this machine; use edge or cloud: what is local may be"
            " shown local-only data"
        )
    bounds = Bounds(idle=check_range("idle", how.idle, 0.1, 3600), connections=about.concurrency)
    origin = Origin(feed.target, feed.rules, feed.credentials, feed.ca, here=here)
    try:
        http = ModelHttp(about.name, origin, bounds)
    except MissingExtra:
        raise MissingExtra("cloud", "httpx") from None
    return http, Peer(http.who, tuple(each for each in (secret, *feed.credentials.known) if each))


def make_about(name: str, values: Mapping[str, Any]) -> About:
    """What *values* say of the backend called *name*; raises ConfigError."""
    place = values["location"]
    if place not in LOCATIONS:
        raise ConfigError(f"location = {place!r}: use {', '.join(LOCATIONS)}")
    quality, context = values["quality"], values["context"]
    return About(
        name,
        values["model"],
        place,
        _clearance(values["clearance"], place),
        make_price(0 if values["price"] is None and place == "local" else values["price"]),
        None if quality is None else check_range("quality", quality, 0, 1),
        None if context is None else int(check_range("context", context, 1, 1 << 40)),
        int(check_range("concurrency", values["concurrency"], 1, MOST_CONCURRENCY)),
        check_range("timeout", values["timeout"], 0.1, 86_400),
        values.get("strict", False),
        values.get("features", frozenset()),
    )


def make_price(value: object) -> Price | None:
    """The price in *value*: a Price, 0 for a free backend, a table, None for unknown; raises ConfigError.

    A table says what a million tokens cost, ``in`` and ``out``, and a ``call`` and a ``second``.
    """
    if value is None or isinstance(value, Price):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
        return Price()
    if not isinstance(value, Mapping):
        raise ConfigError(f"price = {value!r}: use 0, or a table of {', '.join(PRICES)}")
    found: dict[str, float] = {}
    for name, amount in value.items():
        field = PRICES.get(name, name)
        if field not in Price._fields:
            raise ConfigError(f"price has no {name!r}; it has {', '.join(PRICES)}")
        if field in found:
            raise ConfigError(f"price says {field} twice; leave one of them out")
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < 1e9:
            raise ConfigError(f"price: {name} = {amount!r} is no amount of money")
        found[field] = amount
    return Price(**found)


def make_tasks(value: list[str] | None, able: tuple[str, ...]) -> list[str]:
    """The tasks of *value*, which this kind of server is *able* to do: chat, unless said; raises ConfigError."""
    tasks = ["chat"] if value is None else list(value)
    if not tasks or (unknown := sorted(set(tasks) - set(able))):
        wrong = f"{unknown[0]!r} is none" if tasks else "it is empty"
        raise ConfigError(f"tasks: {wrong}; use some of {', '.join(able)}")
    return tasks


def _clearance(value: object, place: str) -> Confidentiality:
    """The clearance in *value*; without one a server on this device sees everything, another what is public."""
    if value is None:
        return Confidentiality.LOCAL_ONLY if place == "local" else Confidentiality.PUBLIC
    word = value.name if isinstance(value, Confidentiality) else str(value)
    try:
        found = Confidentiality[word.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(each.name.lower().replace("_", "-") for each in Confidentiality)
        raise ConfigError(f"clearance = {value!r}: use one of {known}") from None
    if found is Confidentiality.LOCAL_ONLY and place != "local":
        raise ConfigError(
            f"clearance = {word!r} with location = {place!r}: local-only data never leaves this device; "
            "set location = 'local' if this server is on it, or another clearance"
        )
    return found


def _key(text: str, home: Path | None) -> str:
    """The secret that *text* names; raises ConfigError for one that is written out, which is not repeated."""
    if not text:
        return ""
    named = isinstance(text, str) and text.startswith(("env:", "file:"))
    found = read_secret(text, home, "key") if named else None
    if found is None:
        raise ConfigError("key is a secret and does not belong here: use env:NAME or file:PATH")
    return found


def _is_here(target: Target) -> bool:
    """Whether the URL itself names this machine; where its name leads is judged when it is connected to."""
    address = literal(target.host)
    return target.host == "localhost" if address is None else address.is_loopback


def _safe(target: Target, private: bool) -> bool:
    """Whether a key may go there: encrypted, or over no network but the machine's own and those it is at home in.

    Where the name of a *private* server leads is judged when it is connected to.
    """
    if target.scheme == "https" or private or target.host == "localhost":
        return True
    address = literal(target.host)
    return address is not None and classify(address) in ("loopback", "private")
