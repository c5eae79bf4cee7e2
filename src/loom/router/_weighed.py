"""A candidate that was held against the bounds, and the choice among all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from loom.models.decision import Manner, Route
from loom.router.facts import Facts


class Weighed(NamedTuple):
    """A candidate that was looked at: what refuses it, None if nothing does, and what is expected of it.

    *expected* is its quality, or what is taken for it where none is known. *late*: the only thing against it is that it
    may be too late, and it costs nothing to try. *poor*: the request itself asks for more than its *quality*.
    """

    facts: Facts
    refusal: tuple[str, str] | None
    quality: float | None
    expected: float
    latency_ms: float | None
    cost: float | None
    redact: bool
    late: bool = False
    poor: bool = False


class Choice(NamedTuple):
    """Where a request goes, whom it asks, and by which rule."""

    route: Route
    order: Sequence[Weighed]
    rule: str
    why: str
    manner: Manner = Manner.SINGLE
