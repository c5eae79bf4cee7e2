"""What a runtime is asked of its models, from outside its agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from loom.event import Label

if TYPE_CHECKING:
    from loom.models import ModelReply, ModelRequest, Stream
    from loom.router import Router
    from loom.runtime._models import Models


class Inference:
    """The part of a Loom that leads to models."""

    models: Models

    def add_model(self, model: Any) -> Self:
        """Add a model backend; ``ctx.ask`` and ``loom.ask`` find it by its tasks."""
        self.models.add(model)
        return self

    async def ask(
        self,
        task: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        label: Label | None = None,
        **options: Any,
    ) -> Any:
        """Let a model do *task* on *input* and return its output; raises NoBackend, ModelError, WorkerError.

        *options* are the model's, and the router's: ``max_cost``, ``min_quality``, ``route``, ``profile``, ``cache`` as
        in ModelRequest.
        """
        return await self.models.ask(task, input, timeout=timeout, label=label, options=options)

    async def infer(self, request: ModelRequest) -> ModelReply:
        """The reply to *request*: output, cost, times, and the decision that led to it; raises like ``ask``."""
        return await self.models.infer(request)

    @property
    def router(self) -> Router:
        """The router: its ``policy`` may be set while it runs, its ``decisions`` say who answered what, and why."""
        router: Router = self.models.router
        return router

    def stream(
        self,
        task: str,
        input: Any = None,
        *,
        timeout: float | None = None,
        label: Label | None = None,
        **options: Any,
    ) -> Stream:
        """The output of a model in pieces: ``async with loom.stream(...) as items: async for item in items: ...``.

        Leaving the ``async with`` cancels the model's work; *timeout* is for all of it, seconds. Raises like ``ask``.
        """
        from loom.models import Stream

        return Stream(lambda: self.models.stream(task, input, timeout=timeout, label=label, options=options))

    async def warm(self, *tasks: str) -> None:
        """Load the models that do *tasks* now, so that the first request need not wait; raises NoBackend, WorkerError.

        A model that sleeps after being idle is woken by the next request, or by this.
        """
        for task in tasks:
            await self.models.warm(task)
