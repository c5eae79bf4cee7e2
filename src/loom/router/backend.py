"""A model as the router holds it: its facts and measurements, its gate and breaker, and what became of its requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from loom.errors import RouteRefused
from loom.event import Confidentiality, Label
from loom.models import Model, ModelRequest
from loom.models.price import Price
from loom.router.breaker import Breaker
from loom.router.facts import EMPTY, Facts, facts_of, streams_of
from loom.router.gate import Gate
from loom.router.measured import Measured

COLUMNS = ("asked", "done", "failed", "cancelled", "lost", "skipped", "other_model")
SECRET = 8
"""Characters that a key has at least; hiding a shorter one would hide ordinary words."""
_ANY = ModelRequest("")


class Backend:
    """One model with everything that is counted for it.

    A local model that does not say how many requests it runs at once has a queue of its own (a worker's), so the gate
    lets everything through to it; the breaker is for those behind a network, a worker has its supervision.
    """

    __slots__ = (
        "_base",
        "_gated",
        "breaker",
        "cost",
        "counts",
        "gate",
        "measured",
        "model",
        "name",
        "refused",
        "tokens",
    )

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name = model.name
        self._base = facts_of(model)
        self._gated = bool(getattr(model, "concurrency", None)) or not self._base.here
        self.gate = Gate(self.name, self._base.concurrency if self._gated else 0)
        self.breaker = Breaker()
        self.measured = Measured()
        self.counts = dict.fromkeys(COLUMNS, 0)
        self.refused: Counter[str] = Counter()
        self.cost = 0.0
        self.tokens = 0

    @property
    def secrets(self) -> list[str]:
        """The keys that the model is reached with, which are hidden in whatever leaves."""
        found = getattr(self.model, "secrets", ())
        return [each for each in found if isinstance(each, str) and len(each.strip()) >= SECRET]

    @property
    def here(self) -> bool:
        """Whether what it is asked stays on this device, as it says now and said when it was added."""
        return self._base.here and self.model.location == "local"

    @property
    def price(self) -> Price | None:
        """What it bills, None: unknown."""
        return self._base.price if self._base.here else getattr(self.model, "price", self._base.price)

    def can(self, task: str, stream: bool = False) -> bool:
        """Whether it does *task*, in pieces if *stream*."""
        return task in (streams_of(self.model) if stream else self.model.tasks)

    def facts(self, now_ms: int, request: ModelRequest = _ANY) -> Facts:
        """What is known of it now; its tasks and the room in its line are those for requests such as *request*."""
        base, gate, measured, breaker = self._base, self.gate, self.measured, self.breaker
        if not base.here:  # a peer tells more of itself as time goes by: its context, its features
            base = self._base = facts_of(self.model)
        waiting = gate.waiting
        running = gate.running
        if not self._gated and running > base.concurrency:
            running, waiting = base.concurrency, running - base.concurrency
        first, token = measured.times(now_ms)
        tasks = base.tasks | base.streams if request.stream else base.tasks
        return Facts(
            self.name, tasks, base.streams, base.location, base.clearance, base.price, base.context, base.quality,
            base.deviation, base.features, first, token,
            measured.error_rate(now_ms), running, waiting, base.concurrency, gate.room(request.qos),
            breaker.look(now_ms), breaker.probing, self._signals(),
        )  # fmt: skip

    def may_see(self, label: Label, redacted: bool) -> None:
        """Raise RouteRefused unless data of *label*, *redacted* or not, may be sent to it: the last check of all.

        It asks nobody: not the policy, not the decision, not a profile.
        """
        level = label.confidentiality
        if self.here or level == Confidentiality.PUBLIC:
            return
        clearance = min(self._base.clearance, getattr(self.model, "clearance", self._base.clearance))
        if level >= Confidentiality.LOCAL_ONLY or level > clearance or not redacted:
            what = "redacted " if redacted else ""
            raise RouteRefused(
                f"{what}{label} data is not sent to {self.name!r} ({self.model.location}, cleared for "
                f"{Label(clearance)} data)"
            )

    def refuse(self, rule: str) -> None:
        """Count a decision that refused it by *rule*."""
        if len(self.refused) < 64 or rule in self.refused:
            self.refused[rule] += 1

    def statistics(self, now_ms: int) -> Mapping[str, object]:
        """What became of its requests, what they took, how it does, and the model's own snapshot."""
        return {
            **self.counts, "refused": dict(self.refused), "cost": self.cost, "tokens": self.tokens,
            "running": self.gate.running, "waiting": self.gate.waiting, "open_until_ms": self.breaker.open_until_ms,
            **self.measured.statistics(now_ms), "model": self.model.statistics(),
        }  # fmt: skip

    def _signals(self) -> Mapping[str, Any]:
        found = getattr(self.model, "signals", None)
        if callable(found):
            found = found()
        return found if isinstance(found, Mapping) else EMPTY
