"""What a server says of itself now: asked for in the background, only while it is used, and forgotten when old."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from loom.adapters._json_fields import off_loop
from loom.adapters._model_call import Call
from loom.adapters._model_http import ModelHttp
from loom.adapters._served_models import ServedModels
from loom.adapters._vllm_metrics import read_metrics
from loom.errors import BackendFailed

EVERY = 2.0
"""Seconds between two questions, at least."""

STALE = 10.0
"""Seconds after which what was said counts no more."""

PATIENCE = 5.0
LATER = 300.0
"""Seconds until a server without metrics is asked again."""


class ServerSignals:
    """The load of one server, from its ``/metrics`` where *http* reaches them, and what its latest headers said.

    ``used`` is called with each request: it begins a question in the background, unless one is under way or the last is
    less than two seconds old. Nothing is asked of a server that nobody uses. With *served* its list of models is asked
    for first, while it is not known: it says the context.
    """

    def __init__(
        self, http: ModelHttp | None = None, model: str = "", served: ServedModels | None = None
    ) -> None:
        self._http, self._model, self._served = http, model, served
        self._load: Mapping[str, float] = {}
        self._load_at = self._next = float("-inf")
        self._told: Mapping[str, float | str] = {}
        self._told_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._counts = {"looks": 0, "failed_looks": 0}

    def used(self) -> None:
        """A request is on its way."""
        now = _now()
        if self._http is None or now < self._next or (self._task is not None and not self._task.done()):
            return
        self._next = now + EVERY
        self._task = asyncio.create_task(self._look(self._http), name="loom-model-signals")

    def told(self, signals: Mapping[str, float | str]) -> None:
        """An answer said *signals*."""
        if signals:
            self._told, self._told_at = signals, _now()

    def now(self) -> Mapping[str, float | str]:
        """What is known and no older than ten seconds; nothing where no loop runs, for then nothing is new."""
        try:
            moment = _now()
        except RuntimeError:
            return {}
        load = self._load if moment - self._load_at <= STALE else {}
        told = self._told if moment - self._told_at <= STALE else {}
        return {**told, **load}

    def statistics(self) -> Mapping[str, int]:
        """How often it was asked, and how often in vain."""
        return dict(self._counts)

    async def close(self) -> None:
        """End a question that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _look(self, http: ModelHttp) -> None:
        self._counts["looks"] += 1
        if self._served is not None:
            await self._served.glance(http)
        try:
            async with http.open(Call("/metrics", method="GET", outside=True), PATIENCE) as exchange:
                if exchange.status != 200:
                    self._next = _now() + LATER
                    raise BackendFailed(f"{http.who} has no metrics")
                content = await exchange.read()
        except BackendFailed:
            self._counts["failed_looks"] += 1
            return
        self._load = await off_loop(len(content), _read, content, self._model)
        self._load_at = _now()


def _read(content: bytes, model: str) -> Mapping[str, float]:
    return read_metrics(content.decode("utf-8", "replace"), model)


def _now() -> float:
    return asyncio.get_running_loop().time()
