"""What a client asks for in its ``x-loom-*`` headers, and the request that comes of it: never more than its key allows.

Pure. Every header is optional, counts once, and is refused with its name when it cannot be used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from loom.event import Confidentiality, Label
from loom.models import ModelRequest
from loom.web.call import Call
from loom.web.client import Client, word
from loom.web.refusal import Refusal, bad

PREFIX = "x-loom-"
HEADERS: Mapping[str, str] = {
    "x-loom-label": "how confidential the request is: public, sensitive, private or local-only",
    "x-loom-max-cost": "the most that the answer may cost, in the unit of the prices",
    "x-loom-min-quality": "the least quality expected of a backend, 0 to 1",
    "x-loom-profile": "the router's profile",
    "x-loom-timeout": "seconds after which the answer is of no use",
    "x-loom-thread": "the conversation: what it once held keeps it as confidential",
    "x-loom-user": "on whose behalf, among those who share a key: threads are apart, nothing is from the cache",
    "x-loom-cache": "off: neither answer from the cache nor remember",
}
ROUTES = ("auto", "local", "cloud")
PROFILE = "profile:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")  # no colon: it ends where the thread begins


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the headers say; None, empty and True where they say nothing."""

    label: Confidentiality | None = None
    max_cost: float | None = None
    min_quality: float | None = None
    profile: str = ""
    timeout: float | None = None
    thread: str = ""
    user: str = ""
    cache: bool = True


def read_wishes(headers: Iterable[tuple[bytes, bytes]]) -> Wishes:
    """The wishes in *headers* (names in lower case); raises Refusal for one that is unknown, wrong, or there twice."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(b"x-loom-"):
            known = name.decode("latin-1")
            if known not in HEADERS:
                raise _unknown(known)
            if known in found:
                raise bad(f"the header {known} is there twice", known)
            found[known] = value.decode("latin-1").strip()
    return Wishes(
        _label(found.get("x-loom-label")),
        _number(found, "x-loom-max-cost", 0.0, 1e12),
        _number(found, "x-loom-min-quality", 0.0, 1.0),
        _name(found, "x-loom-profile"),
        _number(found, "x-loom-timeout", 0.001, 86_400.0),
        _name(found, "x-loom-thread"),
        _name(found, "x-loom-user", _USER),
        _cache(found.get("x-loom-cache")),
    )


def request_of(call: Call, wishes: Wishes, client: Client, longest: float) -> ModelRequest:
    """The request for *call*: what is wished, and never laxer than *client* may; *longest* bounds its time (seconds).

    Threads belong to one client (and one user of it): nobody joins another's. Raises Refusal.
    """
    route, profile = _routed(call.model, wishes.profile)
    client.check_model(call.model)
    if wishes.profile:
        client.check_model(PROFILE + wishes.profile)
    return ModelRequest(
        call.task,
        call.input,
        Label(_joined(wishes.label, client), True),
        min(wishes.timeout or longest, longest),
        options=call.options,
        max_cost=_least(wishes.max_cost, client.max_cost),
        min_quality=wishes.min_quality,
        route=route,
        profile=profile,
        cache=wishes.cache and not wishes.user,
        thread=f"gateway:{client.name}:{wishes.user}:{wishes.thread}" if wishes.thread else None,
        agent=client.agent,
        user=client.user,
        stream=call.stream,
    )


def _routed(model: str, profile: str) -> tuple[str, str]:
    """The route and the profile that a model's name and the header mean."""
    if not model.startswith(PROFILE):
        return model, profile
    named = model.removeprefix(PROFILE)
    if profile and profile != named:
        raise bad(
            f"the model says profile {named!r}, x-loom-profile says {profile!r}; say one", "x-loom-profile"
        )
    return "auto", named


def _joined(wished: Confidentiality | None, client: Client) -> Confidentiality:
    level = max(client.label, wished or Confidentiality.PUBLIC)
    if level > client.clearance:
        raise Refusal(
            403,
            "clearance",
            f"the request is {word(level)}, and this key is cleared for {word(client.clearance)} at most; "
            "use a key made with a higher --label",
            param="x-loom-label",
        )
    return level


def _least(*values: float | None) -> float | None:
    return min((each for each in values if each is not None), default=None)


def _label(text: str | None) -> Confidentiality | None:
    if text is None:
        return None
    words = {word(each): each for each in Confidentiality}
    if text.lower() not in words:
        raise bad(f"x-loom-label is one of {', '.join(words)}, not {text[:40]!r}", "x-loom-label")
    return words[text.lower()]


def _number(found: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    text = found.get(name)
    if text is None:
        return None
    try:
        value = float(text) if len(text) <= 40 and text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise bad(f"{name} is a number from {least:g} to {most:g}, not {text[:40]!r}", name)
    return value


def _name(found: Mapping[str, str], name: str, form: re.Pattern[str] = _NAME) -> str:
    text = found.get(name)
    if text is None:
        return ""
    if not form.fullmatch(text):
        signs = "._@-" if form is _USER else "._:@/-"
        raise bad(f"{name} is 1 to 128 letters, digits and {signs}, not {text[:40]!r}", name)
    return text


def _cache(text: str | None) -> bool:
    if text is not None and text.lower() not in ("on", "off"):
        raise bad(f"x-loom-cache is on or off, not {text[:40]!r}", "x-loom-cache")
    return text is None or text.lower() == "on"


def _unknown(name: str) -> Refusal:
    near = get_close_matches(name[:60], HEADERS, 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(HEADERS)}"
    return bad(f"there is no header {name[:60]}{hint}", name[:60], "unknown_field")
