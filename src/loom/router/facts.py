"""What is known of a backend when a request has to go somewhere: what it can do, may see, costs, and how it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from loom.errors import ConfigError
from loom.event import Confidentiality
from loom.models.price import FREE, Price

SIZES = (128, 512, 2048, 8192, 32768)
"""Where one bucket of sizes ends and the next begins, tokens read; the last has no end."""
FAR = sys.float_info.max
"""A whole number that is larger is none to reckon with."""
LOCATIONS = ("local", "edge", "cloud")
EMPTY: Mapping[Any, Any] = MappingProxyType({})


def empty() -> Mapping[Any, Any]:
    """Nothing, and it stays so."""
    return EMPTY


class Quantiles(NamedTuple):
    """The median and the 95th percentile of what was measured, milliseconds."""

    p50: float
    p95: float


def bucket_of(tokens: int) -> int:
    """The bucket of a request that makes a model read *tokens*: 0 to ``len(SIZES)``."""
    for place, end in enumerate(SIZES):
        if tokens <= end:
            return place
    return len(SIZES)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one backend now.

    *price* None: unknown. *context* in tokens, *quality* what is expected of its answers (0..1) and *deviation* how
    unsure that is, None: unknown. *first_ms* is the time to the first token, or to all of an answer that has no pieces,
    *token_ms* the time of each token after it, by ``bucket_of``. *concurrency* requests run at once, *room* more may
    wait (None: any number). *open_until_ms* (Unix ms): it is left alone until then; *probing*: it was, and one request
    is on its way to see how it does. *signals* is what it says of itself.
    """

    name: str
    tasks: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    location: str = "local"
    clearance: Confidentiality = Confidentiality.LOCAL_ONLY
    price: Price | None = FREE
    context: int | None = None
    quality: float | None = None
    deviation: float | None = None
    features: frozenset[str] = frozenset()
    first_ms: Mapping[int, Quantiles] = field(default_factory=empty)
    token_ms: Mapping[int, Quantiles] = field(default_factory=empty)
    error_rate: float = 0.0
    running: int = 0
    waiting: int = 0
    concurrency: int = 1
    room: int | None = None
    open_until_ms: int | None = None
    probing: bool = False
    signals: Mapping[str, float | str] = field(default_factory=empty)

    @property
    def here(self) -> bool:
        """Whether what it is asked stays on this device."""
        return self.location == "local"


def facts_of(model: Any) -> Facts:
    """The facts that *model* states itself, by the optional attributes of ``Model``; nothing measured yet.

    Raises ConfigError for a location there is none of, for a backend off this device that is called "local" or cleared
    for local-only data, and for a fact that is of another kind than ``Model`` says.
    """
    here = model.location == "local"
    if model.location not in LOCATIONS:
        raise ConfigError(
            f"model {model.name!r}: location {model.location!r}; use one of {', '.join(LOCATIONS)}"
        )
    for name, (right, words) in _KINDS.items():
        if (value := getattr(model, name, None)) is not None and not right(value):
            raise ConfigError(f"model {model.name!r}: {name} = {value!r:.60}; it must be {words}")
    clearance = getattr(model, "clearance", None)
    if clearance is None:
        clearance = Confidentiality.LOCAL_ONLY if here else Confidentiality.PUBLIC
    if clearance >= Confidentiality.LOCAL_ONLY and not here:
        raise ConfigError(
            f"model {model.name!r} is {model.location} and cleared for local-only data, which never leaves this "
            "device; clear it for private at most"
        )
    if model.name == "local" and not here:
        raise ConfigError(
            f"model 'local' is {model.location}, and a request for \"local\" must stay on this device; give it "
            "another name"
        )
    price, quality = getattr(model, "price", FREE if here else None), getattr(model, "quality", None)
    if not all(map(_counts, price or ())) or not (quality is None or (_counts(quality) and quality <= 1)):
        raise ConfigError(
            f"model {model.name!r}: price {price} and quality {quality}; each amount is a number, 0 or more, and a "
            "quality at most 1; None where it is not known"
        )
    return Facts(
        model.name,
        frozenset(model.tasks),
        streams_of(model),
        model.location,
        clearance,
        price,
        getattr(model, "context", None),
        quality,
        features=frozenset(getattr(model, "features", ())),
        concurrency=getattr(model, "concurrency", None) or (1 if here else 16),
    )


def _counts(value: object) -> bool:
    return _is_number(value) and value <= FAR  # type: ignore[operator]  # a number


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_NUMBER = (_is_number, "a number, 0 or more, or None where it is not known")
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "tasks": (lambda value: not isinstance(value, str), 'a set of names, such as {"chat"}'),
    "clearance": (
        lambda value: isinstance(value, Confidentiality),
        "a Confidentiality, such as Confidentiality.PUBLIC",
    ),
    "price": (
        lambda value: isinstance(value, Price),
        "a Price, FREE for nothing, or None where it is not known",
    ),
    "context": _NUMBER,
    "concurrency": _NUMBER,
}


def streams_of(model: Any) -> frozenset[str]:
    """The tasks that *model* can do in pieces; a model without `stream` has none."""
    found = getattr(model, "streams", model.tasks if hasattr(model, "stream") else ())
    return frozenset(found)
