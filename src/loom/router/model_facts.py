"""What a project file says of any model beside its own settings: what it may see, costs and is good for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.models.price import Price

FACTS = ("clearance", "price", "quality", "context", "concurrency")
PRICES = {"in": "million_in", "out": "million_out", "call": "call", "second": "second"}
"""What a price has in a project file: money per million tokens read and written, per call, per second of sound."""
Wrong = Callable[[str, str], ConfigError]
"""The error that the key with this name is wrong, and how."""
At = Callable[[str], str]


def split(
    values: Mapping[str, Any], known: Collection[str], wrong: Wrong
) -> tuple[dict[str, Any], dict[str, Any]]:
    """*values* for what makes the model, whose parameters are *known*, and what is then said of the model itself.

    Raises what *wrong* makes for a value that makes no sense.
    """
    facts = {key: _CHECKS[key](values[key], wrong) for key in FACTS if key in values}
    rest = {key: value for key, value in values.items() if key not in FACTS or key in known}
    if "price" in rest:
        price = facts.pop("price")
        rest["price"] = price._asdict() if price is not None else None
    for key in ("clearance", "concurrency"):
        if key in rest:
            facts.pop(key)
    return rest, facts


def contradiction(values: Mapping[str, Any], at: At) -> str:
    """Two settings of one model that cannot both hold, with their lines; empty when there are none."""
    place = values.get("location", "")
    if str(values.get("clearance", "")).lower().replace("_", "-") == "local-only" and place in (
        "cloud",
        "edge",
    ):
        return (
            f'{at("clearance")}: clearance = "local-only" contradicts {at("location")}: location = "{place}": '
            "local-only data never leaves this device; clear it for private at most"
        )
    return ""


def state(model: Any, facts: Mapping[str, Any]) -> None:
    """Let *model* say *facts* of itself; what it says already of its context or quality stays.

    Raises ConfigError for a model that is not local and cleared for local-only data, or takes no attributes.
    """
    if facts.get("clearance") == Confidentiality.LOCAL_ONLY and model.location != "local":
        raise ConfigError(
            f'clearance = "local-only" contradicts its location, {model.location!r}: local-only data never leaves '
            "this device"
        )
    for key, value in facts.items():
        if key in ("context", "quality") and getattr(model, key, None) is not None:
            continue
        try:
            setattr(model, key, value)
        except AttributeError:
            raise ConfigError(f"{key}: {type(model).__name__} does not let it be said of it") from None


def _clearance(value: Any, wrong: Wrong) -> Confidentiality:
    known = [each.name.lower().replace("_", "-") for each in Confidentiality]
    word = value.lower().replace("_", "-") if isinstance(value, str) else ""
    if word not in known:
        near = get_close_matches(word, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(known)}"
        raise wrong("clearance", f"clearance = {value!r:.60}: {hint}")
    return Confidentiality[word.upper().replace("-", "_")]


def _price(value: Any, wrong: Wrong) -> Price:
    if not isinstance(value, bool) and value == 0:
        return Price()
    if not isinstance(value, Mapping):
        raise wrong(
            "price",
            f"price = {value!r:.60}: use 0 for a free one, or {{ in = 0.5, out = 1.5 }} per million tokens",
        )
    found = {}
    for key, amount in value.items():
        name = PRICES.get(key, key)
        if name not in Price._fields:
            near = get_close_matches(key, PRICES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(PRICES)}"
            raise wrong("price", f"price has no {key!r}; {hint}")
        if name in found:
            raise wrong("price", f"price says {key!r} and the same by another name; take one of them out")
        found[name] = _number("price", amount, 0, 1e9, wrong)
    return Price(**found)


def _number(key: str, value: Any, least: float, most: float, wrong: Wrong) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise wrong(key, f"{key} must be a number from {least:g} to {most:g}, not {value!r:.60}")
    return value


def _whole(key: str, value: Any, most: int, wrong: Wrong) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise wrong(key, f"{key} must be a whole number from 1 to {most:,}, not {value!r:.60}")
    return value


_CHECKS: dict[str, Callable[[Any, Wrong], Any]] = {
    "clearance": _clearance,
    "price": _price,
    "quality": lambda value, wrong: _number("quality", value, 0, 1, wrong),
    "context": lambda value, wrong: _whole("context", value, 1 << 40, wrong),
    "concurrency": lambda value, wrong: _whole("concurrency", value, 1024, wrong),
}
