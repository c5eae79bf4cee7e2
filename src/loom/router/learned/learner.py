"""Learns what to expect of each backend for a request: from rewards, and from what became of answers."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import NamedTuple

from loom.clock import Chance
from loom.errors import ConfigError, LoomError
from loom.models import Decision, ModelRequest
from loom.router.facts import Facts
from loom.router.keep import Keep
from loom.router.learned.beliefs import Beliefs, Key
from loom.router.learned.corrections import Talks
from loom.router.learned.difficulty import OWN, inputs
from loom.router.learned.features import features_of, text_of
from loom.router.learned.topics import MANY, Embed, Topics

log = logging.getLogger("loom.router")

NAME = "learned"
"""What the learnt is called in a Keep."""
REMEMBERED = 1_000
"""Decisions that can still be rewarded."""
BACKENDS = 256
"""Backends whose priors are kept."""
SAVED_AFTER = 32
"""Observations after which the learnt is saved."""
HERE, ELSEWHERE = 0.75, 0.85
"""The quality that is expected, on average, of a backend that does not state its own."""


class Expected(NamedTuple):
    """The quality (0..1) to expect of an answer, and the standard deviation of that."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Settings:
    """How a Learner learns.

    *explore*: in units of the deviation, how far from the mean it may look when it draws (0: never). *fade*: what is
    left of an observation after the next one, so that 1 / (1 - fade) of them count. *own*: the weight, in rewards, of
    an answer that was escalated or corrected, *silent* that of an answer which was not corrected.
    """

    explore: float = 0.5
    fade: float = 0.9995
    own: float = 0.25
    silent: float = 0.05

    def __post_init__(self) -> None:
        """Raise ConfigError for what no learner can follow."""
        for name, most in (("explore", inf), ("fade", 1.0), ("own", 1.0), ("silent", 1.0)):
            value = getattr(self, name)
            if not (0 <= value <= most and isfinite(value)):
                raise ConfigError(
                    f"{name} = {value!r}: it is a number from 0" + (" to 1" if most == 1 else "")
                )


class _Asked(NamedTuple):
    key: Key
    inputs: Sequence[float]


class Learner:
    """A contextual bandit over backends: one Bayesian line per backend and task, Thompson sampling to choose.

    It begins with the quality that each backend states and the shipped model of difficulty, and learns from `reward`
    and from `seen`. It never decides: what it expects fills the facts of a backend, after privacy, budgets and all the
    other rules. Source: Agrawal and Goyal 2013 (arXiv:1209.3352). *embed*, a model on this device, adds
    what a text is about. *tell* is called with what went wrong with its state.
    """

    def __init__(
        self,
        settings: Settings = Settings(),
        *,
        state: bytes | None = None,
        chance: Chance | None = None,
        embed: Embed | None = None,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        self.settings = settings
        self.problem = ""
        self._chance, self._tell = chance or Chance(), tell
        self._topics = None if embed is None else Topics(embed)
        self._beliefs = Beliefs(2 + len(OWN) + (0 if embed is None else MANY), settings.fade)
        self._priors: OrderedDict[str, float] = OrderedDict()
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._talks = Talks()
        self._counts = dict.fromkeys(("rewards", "late", "escalated", "kept", "corrected", "followed"), 0)
        self._keep: Keep | None = None
        self._unsaved = 0
        self._saving: asyncio.Task[None] | None = None
        self._state = state
        if state is not None:
            self._restore(state)

    def meet(self, facts: Facts) -> None:
        """Begin with the quality that a backend states, where nothing was learnt of it yet."""
        stated = facts.quality
        if stated is None or not isfinite(stated):
            stated = HERE if facts.here else ELSEWHERE
        self._priors[facts.name] = _share(stated)
        while len(self._priors) > BACKENDS:
            self._priors.popitem(last=False)
        if self._state is not None:  # learnt before the backends were known: their priors belong to it
            self._restore(self._state)

    async def expect(self, request: ModelRequest, names: Sequence[str]) -> Mapping[str, Expected]:
        """What to expect of each of *names* for *request*: always finite, and 0..1."""
        text, history = text_of(request.input)
        if self._topics is not None:
            await self._topics.find(text)
        seen = self._inputs(text, history)
        return {name: self._expected((name, request.task), seen) for name in names}

    def seen(self, decision: Decision, reply_signals: Mapping[str, object]) -> None:
        """Learn from what became of a request, and keep in mind what may be rewarded later.

        *reply_signals*: ``request``, the ModelRequest; ``backend``, the name of who answered; ``escalated``, the names
        of those whose answers were not enough. Whatever else there is, or is not, is left alone.
        """
        request, backend = reply_signals.get("request"), reply_signals.get("backend")
        if not isinstance(request, ModelRequest):
            return
        text, history = text_of(request.input)
        features = self._inputs(text, history)
        poor = _names(reply_signals.get("escalated"))
        for name in poor:
            self._own((name, request.task), features, 0.0, "escalated")
        if not isinstance(backend, str) or not backend:
            return
        if str(decision.manner) == "cascade" and decision.order[:1] == (backend,) and not poor:
            self._own((backend, request.task), features, 1.0, "kept")
        self._follow(request, text)
        asked = _Asked((backend, request.task), features)
        self._remember(decision.id, asked)
        if request.thread:
            self._talks.answered((request.user, request.thread), decision.id, text)

    def reward(self, decision_id: str, value: float) -> bool:
        """Learn that the answer of a decision was worth *value* (0..1).

        False for a decision that is not, or no longer, kept. Raises ConfigError for a value that is none.
        """
        if isinstance(value, bool):
            value = float(value)
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ConfigError(
                f"a reward is a number from 0 (useless) to 1 (perfect), not {str(value)[:80]!r}"
            )
        asked = self._asked.pop(decision_id, None)  # once: the same answer is worth one thing
        self._counts["late" if asked is None else "rewards"] += 1
        if asked is None:
            return False
        self._learn(asked.key, asked.inputs, float(value), 1.0)
        return True

    def state(self) -> bytes:
        """What was learnt, at most 64 KiB."""
        return self._beliefs.encoded()

    async def open(self, keep: Keep) -> None:
        """Go on from what *keep* has, and save there from now on."""
        self._keep = keep
        state = keep.read(NAME)
        if state is not None:
            self._state = state
            self._restore(state)

    async def save(self) -> None:
        """Write what was learnt, if there is anything new. Raises what the Keep raises."""
        if self._keep is not None and self._unsaved:
            self._unsaved = 0
            await self._keep.write(NAME, self.state())

    async def close(self) -> None:
        """Save, and wait for it. Raises what the Keep raises."""
        if self._saving is not None:
            await asyncio.wait({self._saving})
        await self.save()

    def statistics(self) -> Mapping[str, object]:
        """What it learnt from, and how often."""
        learnt = {f"{backend} {task}": count for (backend, task), count in self._beliefs.counts().items()}
        failed = 0 if self._topics is None else self._topics.failed
        return {
            **self._counts, "learnt": learnt, "rewardable": len(self._asked), "not_embedded": failed,
            "problem": self.problem,
        }  # fmt: skip

    def _inputs(self, text: str, history: int) -> list[float]:
        seen = inputs(features_of(text, history))
        return seen if self._topics is None else [*seen, *self._topics.known(text)]

    def _expected(self, key: Key, seen: Sequence[float]) -> Expected:
        mean, deviation = self._beliefs.of(key, self._prior(key)).expect(seen)
        if self.settings.explore and deviation:
            mean += self.settings.explore * deviation * self._chance.random.gauss(0, 1)
        return Expected(_share(mean), _share(deviation))

    def _prior(self, key: Key) -> float:
        return self._priors.get(key[0], HERE)

    def _own(self, key: Key, seen: Sequence[float], value: float, what: str) -> None:
        self._counts[what] += 1
        self._learn(key, seen, value, self.settings.silent if what == "followed" else self.settings.own)

    def _follow(self, request: ModelRequest, text: str) -> None:
        """What is said next tells of the answer before."""
        if not request.thread:
            return
        before, wrong = self._talks.said((request.user, request.thread), text)
        asked = self._asked.get(before)
        if asked is not None:
            self._own(asked.key, asked.inputs, float(not wrong), "corrected" if wrong else "followed")

    def _learn(self, key: Key, seen: Sequence[float], value: float, weight: float) -> None:
        if weight <= 0:
            return
        self._state = None  # from now on there is more than that
        self._beliefs.of(key, self._prior(key)).learn(seen, value, weight)
        self._unsaved += 1
        if (
            self._keep is not None
            and self._unsaved >= SAVED_AFTER
            and (self._saving is None or self._saving.done())
        ):
            self._saving = asyncio.get_running_loop().create_task(self._save_or_tell())

    def _remember(self, decision_id: str, asked: _Asked) -> None:
        self._asked[decision_id] = asked
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)

    def _restore(self, state: bytes) -> None:
        problem = self._beliefs.decode(state, self._prior)
        if problem:
            self._state = None
            self._told(f"what the router learnt cannot be read ({problem}); it begins with its priors")

    async def _save_or_tell(self) -> None:
        try:
            await self.save()
        except LoomError as error:
            self._told(f"what the router learnt cannot be saved: {error}")

    def _told(self, problem: str) -> None:
        self.problem = problem
        log.warning("%s", problem)
        if self._tell is not None:
            self._tell(problem)


def _share(value: float) -> float:
    return 0.0 if not value > 0 else min(1.0, value)


def _names(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)][:16] if isinstance(value, Iterable) else []
